"""Ends what a program has started, children of children included: on request, and once the program itself is gone.

What was started is known by a mark in its environment, so neither other sessions nor lost parents hide it. A process of
its own waits until its standard input closes, which the program holds open and which closes however the program ends.
"""

import atexit
import os
import subprocess
import sys
import uuid
from contextlib import suppress
from functools import cache

import psutil

VARIABLE = "STARTED_BY_FLOW"


@cache
def sweep_at_end() -> str:
    """From now on, whatever this process starts is killed if it still runs when this process has ended; its mark."""
    os.environ[VARIABLE] = mark = uuid.uuid4().hex
    sweeper = subprocess.Popen([sys.executable, __file__, mark], stdin=subprocess.PIPE, start_new_session=True)
    atexit.register(sweeper.stdin.close)  # the last of all, after others have ended what is theirs
    return mark


def new_mark() -> str:
    """A mark for one of the things that this process starts; it goes with the rest at the end."""
    return f"{sweep_at_end()}.{uuid.uuid4().hex}"


def sweep(mark: str, session: int | None = None) -> None:
    """Kill everything with that mark, or of that session, but this process. Again until nothing is left, for the dying
    may still fork. The session is for processes that were forked without starting a program: these keep the environment
    of their parent."""
    while found := [process for process in psutil.process_iter() if _belongs(process, mark, session)]:
        for process in found:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(found, timeout=1)


def _belongs(process: psutil.Process, mark: str, session: int | None) -> bool:
    try:
        if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        if session is not None and os.getsid(process.pid) == session:
            return True
        found = process.environ().get(VARIABLE, "")
        return found == mark or found.startswith(f"{mark}.")
    except (psutil.NoSuchProcess, psutil.AccessDenied, ProcessLookupError, PermissionError):
        return False


if __name__ == "__main__":
    sys.stdin.buffer.read()
    sweep(sys.argv[1])
