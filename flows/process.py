"""Runs one DVC stage in processes of its own and passes its output on, line by line; stopped, it leaves none behind."""

import re
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Timer
from typing import IO, Literal

from flows import guard
from flows.environment import stage_environment
from flows.guarded import guarded
from flows.stop import Stop

Outcome = Literal["ran", "cached", "unchanged", "failed", "skipped"]
Say = Callable[[str], None]

DVC = Path(__file__).with_name("dvc_quick.py")
TAIL_LINES = 20
PROGRESS_SECONDS = 2.0  # a progress bar redraws many times a second; a log needs it this often
DVC_ADVICE = (
    "Generating lock file",
    "Updating lock file",
    "To track the changes with git",
    "To enable auto staging",
    "Use `dvc push`",
    "\tgit add",
    "\tdvc config",
)


# A signal from outside, the out-of-memory killer's among them, or another DVC in the way: worth another try.
TRANSIENT = re.compile(r"exited with (-\d+|1[2-5]\d)\b|Unable to acquire lock|is busy, it is being blocked by")


class Stopped(RuntimeError):
    """A stage was ended because the whole flow is."""


class StageFailed(RuntimeError):
    """A stage did not finish; the message holds its last lines and the command that runs it again."""

    def __init__(self, address: str, reason: str, tail: list[str], is_transient: bool = False) -> None:
        """`reason` completes "stage X failed: ..."; `is_transient`: trying again may help."""
        super().__init__(address, reason, tail, is_transient)
        self.address = address
        self.reason = reason
        self.tail = tail
        self.is_transient = is_transient

    def __str__(self) -> str:
        lines = "".join(f"  | {line}\n" for line in self.tail)
        shown = f"; its last lines:\n{lines}" if lines else "\n"
        return f"stage {self.address} failed: {self.reason}{shown}{self.advice}"

    @property
    def advice(self) -> str:
        """How to run it again."""
        return f"to run it again: dvc repro {self.address}"


def reproduce(
    address: str, root: Path, say: Say, stop: Stop, timeout: float | None = None, options: Sequence[str] = ()
) -> Outcome:
    """Let `dvc repro` bring one stage (not those before it) up to date; every line it prints goes to `say`.

    `options` are more options of `dvc repro`.
    All its processes end with it, with a request to `stop`, after `timeout` seconds, and with this process.

    Raises:
        StageFailed: the stage or DVC itself exited with an error, was killed, or took too long.
        Stopped: a request to stop ended it.
    """
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    outcome: Outcome = "unchanged"
    # -P: the folder of dvc_quick, which holds our modules, is none to import DVC's from.
    dvc = [sys.executable, "-P", str(DVC), "--wait-for-lock", "repro", "--single-item", *options, address]
    with (
        guarded(dvc, root, stage_environment()) as process,
        stop.calling(process.stdin.close),
        _after(timeout, process.stdin.close) as is_late,
    ):
        for line in lines_of(process.stdout):
            outcome = _outcome_in(line, address) or outcome
            if line.strip() and not line.startswith(DVC_ADVICE):
                tail.append(line)
                say(line)
    code = process.returncode
    if code == 0:
        return outcome
    if stop.asked:
        raise Stopped(address)
    if is_late.is_set():
        raise StageFailed(address, f"it took longer than its timeout of {timeout:g} s", list(tail))
    is_transient = code < 0 or guard.is_signal(code) or any(TRANSIENT.search(line) for line in tail)
    raise StageFailed(address, f"exit code {code}", list(tail), is_transient)


@contextmanager
def _after(seconds: float | None, end: Callable[[], None]) -> Iterator[Event]:
    """Call `end` when this lasts longer than so many seconds; the event is set then."""
    is_late = Event()
    if seconds is None:
        yield is_late
        return
    timer = Timer(seconds, lambda: (is_late.set(), end()))
    timer.start()
    try:
        yield is_late
    finally:
        timer.cancel()


def lines_of(stream: IO[bytes], clock: Callable[[], float] = time.monotonic) -> Iterator[str]:
    """The lines of a byte stream until its end, as they come.

    A progress bar redraws itself with carriage returns: at most one state per `PROGRESS_SECONDS` is passed on, and
    always the last one.
    """
    rest = b""
    shown = -PROGRESS_SECONDS
    while chunk := stream.read1():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield _visible(line)
        if b"\r" in rest:
            now = clock()
            if now - shown >= PROGRESS_SECONDS:
                shown = now
                yield _visible(rest)
            rest = _forget_overwritten(rest)
    if rest.strip():
        yield _visible(rest)


def _visible(line: bytes) -> str:
    """What a terminal shows of a line after its carriage returns."""
    states = [state for state in line.split(b"\r") if state.strip()]
    return states[-1].decode("utf-8", errors="replace").rstrip() if states else ""


def _forget_overwritten(line: bytes) -> bytes:
    """The line without the states that later ones overwrote, so that a long bar does not pile up in memory."""
    head, carriage, last = line.rpartition(b"\r")
    return carriage + last if last.strip() else head.rpartition(b"\r")[2] + carriage


def _outcome_in(line: str, address: str) -> Outcome | None:
    if line.startswith(f"Running stage '{address}'"):
        return "ran"
    if line.startswith(f"Stage '{address}' is cached"):
        return "cached"
    return None
