"""Runs one DVC stage as a process of its own and passes its output on, line by line."""

import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Literal

from flows.environment import stage_environment

Outcome = Literal["ran", "cached", "unchanged"]
Say = Callable[[str], None]

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


class StageFailed(RuntimeError):
    """A stage did not finish; the message holds its last lines and the command that runs it again."""

    def __init__(self, address: str, exit_code: int, tail: list[str]) -> None:
        super().__init__(address, exit_code, tail)
        self.address = address
        self.exit_code = exit_code
        self.tail = tail

    def __str__(self) -> str:
        lines = "\n".join(f"  | {line}" for line in self.tail)
        return f"stage {self.address} failed (exit code {self.exit_code}); its last lines:\n{lines}\n{self.advice}"

    @property
    def advice(self) -> str:
        """How to run it again."""
        return f"to run it again: dvc repro {self.address}"


def reproduce(address: str, root: Path, say: Say) -> Outcome:
    """Let `dvc repro` bring one stage (not those before it) up to date; every line it prints goes to `say`.

    Raises:
        StageFailed: the stage or DVC itself exited with an error.
    """
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    outcome: Outcome = "unchanged"
    with subprocess.Popen(
        [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", address],
        cwd=root,
        env=stage_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        for line in lines_of(process.stdout):
            outcome = _outcome_in(line, address) or outcome
            if line.strip() and not line.startswith(DVC_ADVICE):
                tail.append(line)
                say(line)
    if process.returncode:
        raise StageFailed(address, process.returncode, list(tail))
    return outcome


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
