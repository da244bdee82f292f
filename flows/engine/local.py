"""Runs a stage's commands in processes of this machine and passes their output on; none outlives the stage."""

import json
import os
import re
import resource
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import TIMEOUT_MAX, Event, Lock, Timer
from typing import IO

from flows.engine import warm
from flows.engine.cost import Cost, Usage
from flows.engine.stage import Ran, Say, Stage, StageFailed, Stopped
from flows.engine.stop import Stop
from flows.engine.sweep import VARIABLE, new_mark, sweep, sweep_at_end
from flows.environment import stage_environment
from flows.redact import redact, without_secrets_of_services

TAIL_LINES = 20
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes that `ru_maxrss` counts in
LIBRARIES = (  # what all stages need first; an optimiser imports torch._dynamo
    "numpy", "torch", "safetensors.torch", "safetensors.numpy", "pydantic", "ruamel.yaml", "filelock", "tqdm", "numba",
    "snntorch", "snntorch.spikegen", "torch._dynamo", "scipy.optimize", "scipy.stats", "pandas", "jinja2",
    "matplotlib.pyplot", "matplotlib.backends.backend_svg",
)  # fmt: skip
NOTHING = Usage()
PLAIN_MODULE = re.compile(r"python -m [\w./:=@,+ -]+")  # nothing that a shell would see more in


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, negative for a signal's, and what it took."""

    code: int
    usage: Usage = NOTHING


@dataclass(frozen=True)
class Child:
    """A process at the head of a session of its own; `wait` returns when it has ended."""

    pid: int
    stdout: IO[bytes]
    wait: Callable[[], Ended]


class LocalExecutor:
    """Runs commands here: `python -m X` in a fork of a warm interpreter, anything else by the shell."""

    def __init__(self, libraries: Sequence[str] | None = LIBRARIES) -> None:
        """Nothing is started yet; the warm interpreter will load these libraries, None is for no such interpreter."""
        self._libraries = libraries
        self._starting = Lock()
        self._warm: WarmInterpreter | None = None

    def prepare(self, stages: Iterable[Stage]) -> None:
        """Let the warm interpreter load its libraries, if there is something for it to run."""
        if self._libraries is not None and any(
            PLAIN_MODULE.fullmatch(command) for stage in stages for command in stage.commands
        ):
            with suppress(OSError):  # no such sockets here
                self._warm_interpreter()

    def run(self, stage: Stage, say: Say, stop: Stop) -> Ran:
        """See `Executor.run`."""
        tail: deque[str] = deque(maxlen=TAIL_LINES)

        def pass_on(line: bytes) -> None:
            if text := redact(_visible(line)):
                tail.append(text)
                say(text)

        late, start, usage = Event(), time.monotonic(), NOTHING
        for command in stage.commands:
            ended = Ended(0) if stop.asked else self._run(stage, command, pass_on, stop, late)
            code, usage = ended.code, usage + ended.usage
            if late.is_set():
                raise StageFailed(stage.address, f"it took longer than its timeout of {stage.timeout:g} s", tuple(tail))
            if stop.asked:
                raise Stopped(stage.address)
            if code:
                is_killed = code < 0 or 128 < code <= 128 + signal.NSIG  # so a shell says that its command was killed
                reason = f"killed by signal {-code if code < 0 else code - 128}" if is_killed else f"exit code {code}"
                raise StageFailed(stage.address, reason, tuple(tail), is_killed)
        cost = Cost(time.monotonic() - start, usage.cpu_seconds, usage.peak_bytes, socket.gethostname())
        return Ran({}, cost)

    def _run(self, stage: Stage, command: str, pass_on: Callable[[bytes], None], stop: Stop, late: Event) -> Ended:
        """Run a command to its end; `late` is set when the stage's timeout ended it."""
        mark = new_mark()
        by_dvc = {"DVC_ROOT": str(stage.root), "DVC_STAGE": stage.address}
        environment = without_secrets_of_services(stage_environment())
        child = self._start(command, stage.folder, environment | by_dvc | {VARIABLE: mark})

        def end() -> None:
            sweep(mark, child.pid)

        def wait() -> Ended:
            ended = child.wait()
            end()  # whatever it left running, which may hold its output open
            return ended

        timer = Timer(stage.timeout or TIMEOUT_MAX, lambda: (late.set(), end()))
        with child.stdout, ThreadPoolExecutor(1) as pool:
            ended = pool.submit(wait)
            timer.start()
            try:
                with stop.calling(end):
                    for line in child.stdout:
                        pass_on(line)
            except BaseException:
                end()
                raise
            finally:
                timer.cancel()
            return ended.result()

    def _start(self, command: str, folder: Path, environment: Mapping[str, str]) -> Child:
        if self._libraries is not None and PLAIN_MODULE.fullmatch(command):
            with suppress(OSError, ValueError):  # there is none: the command runs without it
                return self._warm_interpreter().start(shlex.split(command)[2:], folder, environment)
        process = subprocess.Popen(
            [os.environ.get("SHELL") or "/bin/sh", "-c", command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        own_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return Child(process.pid, process.stdout, lambda: _wait(process, own_peak))

    def _warm_interpreter(self) -> "WarmInterpreter":
        with self._starting:
            if self._warm is None or not self._warm.is_alive():
                self._warm = WarmInterpreter(self._libraries)
            return self._warm


class WarmInterpreter:
    """The process of `warm.py`, which ends with this one."""

    def __init__(self, libraries: Sequence[str]) -> None:
        """It is started, and loads the libraries."""
        sweep_at_end()
        self._control, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            self._process = subprocess.Popen(
                [sys.executable, warm.__file__, str(its.fileno()), *libraries],
                env=stage_environment(),
                stdin=subprocess.DEVNULL,
                pass_fds=[its.fileno()],
                start_new_session=True,
            )

    def is_alive(self) -> bool:
        """Whether it still serves."""
        return self._process.poll() is None

    def start(self, words: list[str], folder: Path, environment: Mapping[str, str]) -> Child:
        """Run a module, `words[0]`, with its arguments. Raises OSError or ValueError when there is no interpreter."""
        (output, its_output), (status, its_status) = os.pipe(), os.pipe()
        told, stdout = os.fdopen(status, "rb"), os.fdopen(output, "rb")
        request = json.dumps([words, str(folder), dict(environment)]).encode()
        try:
            socket.send_fds(self._control, [request], [its_output, its_status])
        finally:
            os.close(its_output)
            os.close(its_status)

        def wait() -> Ended:
            with told:
                code, *took = told.readline().split() or [-signal.SIGKILL]
            return Ended(int(code), Usage(float(took[0]), int(took[1]) * RSS_UNIT) if took else NOTHING)

        return Child(int(told.readline()), stdout, wait)


def _wait(process: subprocess.Popen, own_peak: int) -> Ended:
    """Wait for a process that this one started. Linux takes the peak of who starts a program for one of that program's
    (exec keeps `ru_maxrss`), so one that is not above `own_peak` says nothing."""
    try:
        _, status, took = os.wait4(process.pid, 0)
    except ChildProcessError:  # who killed it has waited for it
        process.returncode = -signal.SIGKILL
        return Ended(process.returncode)
    process.returncode = os.waitstatus_to_exitcode(status)
    peak = took.ru_maxrss * RSS_UNIT if took.ru_maxrss > own_peak else None
    return Ended(process.returncode, Usage(took.ru_utime + took.ru_stime, peak))


def _visible(line: bytes) -> str:
    """What a terminal shows of a line in the end: a progress bar redraws itself after carriage returns."""
    states = [state for state in line.split(b"\r") if state.strip()]
    return states[-1].decode("utf-8", errors="replace").rstrip() if states else ""
