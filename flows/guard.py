"""Runs a command and leaves nothing of it behind: `python guard.py COMMAND...`, started in a session of its own.

Whoever starts it holds its standard input open. When that closes, because the holder wants it so or has died in
whatever way, the command and all that it started are killed; when the command ends, whatever it left running is.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

import psutil

SIGNALLED = 128  # a shell's exit code for a command that died of signal n is this plus n


def guard(command: Sequence[str]) -> int:
    """Run the command to its end; its exit code, or SIGNALLED and the number of the signal it died of."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    threading.Thread(target=_kill_when_closed, daemon=True).start()
    code = process.wait()
    kill_group()
    return SIGNALLED - code if code < 0 else code


def is_signal(code: int) -> bool:
    """Whether an exit code is that of a command that died of a signal."""
    return SIGNALLED < code <= SIGNALLED + signal.NSIG


def kill_group() -> None:
    """Kill everything in this process's group but itself; again until nothing is left, for the dying may still fork."""
    while others := [process for process in psutil.process_iter() if _is_other_member(process)]:
        for process in others:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(others, timeout=1)


def _is_other_member(process: psutil.Process) -> bool:
    try:
        in_group = os.getpgid(process.pid) == os.getpgid(0)
        return in_group and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


def _kill_when_closed() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    for process in psutil.Process().children(recursive=True):  # some may be in a group of their own
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(guard(sys.argv[1:]))
