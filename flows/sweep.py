"""Ends what a program has started once the program is gone, however it ended: Prefect's temporary server, say.

It is a process of its own that waits until its standard input closes, which the program holds open. What was started is
known by a mark in its environment, so neither other sessions nor lost parents hide it.
"""

import atexit
import os
import subprocess
import sys
import uuid
from contextlib import suppress

import psutil

VARIABLE = "STARTED_BY_FLOW"


def sweep_at_end() -> None:
    """From now on, whatever this process starts is killed if it still runs when this process has ended."""
    os.environ[VARIABLE] = mark = uuid.uuid4().hex
    sweeper = subprocess.Popen([sys.executable, __file__, mark], stdin=subprocess.PIPE, start_new_session=True)
    atexit.register(sweeper.stdin.close)  # the last of all, after others have ended what is theirs


def sweep(mark: str) -> None:
    """Kill everything with that mark but this process; again until nothing is left, for the dying may still fork."""
    while found := [process for process in psutil.process_iter() if _has(process, mark)]:
        for process in found:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(found, timeout=1)


def _has(process: psutil.Process, mark: str) -> bool:
    try:
        marked = process.environ().get(VARIABLE) == mark
        return marked and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


if __name__ == "__main__":
    sys.stdin.buffer.read()
    sweep(sys.argv[1])
