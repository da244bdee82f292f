"""A guarded command leaves no process behind, however it ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import psutil
import pytest

from flows import guard

# Starts a grandchild, notes both process ids, and waits for ever.
FOREVER = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open("pids.partial", "w").write(f"{os.getpid()} {child.pid}")
os.replace("pids.partial", "pids")
THEN
"""
WAIT = "time.sleep(600)"


def start(folder: Path, then: str = WAIT) -> tuple[subprocess.Popen, list[int]]:
    """A guard, and the process ids of the command and its child."""
    command = [sys.executable, guard.__file__, sys.executable, "-c", FOREVER.replace("THEN", then)]
    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, start_new_session=True)
    assert within(30, lambda: (folder / "pids").is_file())
    return process, [int(pid) for pid in (folder / "pids").read_text().split()]


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        Event().wait(0.02)
    return condition()


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(("then", "code"), [("sys.exit(7)", 7), ("os.kill(os.getpid(), 9)", 128 + 9), ("", 0)])
def test_what_the_command_leaves_is_killed_and_its_exit_code_told(tmp_path: Path, then: str, code: int) -> None:
    process, pids = start(tmp_path, then)
    assert process.wait(timeout=30) == code
    assert not any(alive(pid) for pid in pids)


def test_closing_its_input_ends_all(tmp_path: Path) -> None:
    process, pids = start(tmp_path)
    process.stdin.close()
    assert process.wait(timeout=30) == -signal.SIGKILL
    assert within(5, lambda: not any(alive(pid) for pid in pids))


def test_the_death_of_who_started_it_ends_all(tmp_path: Path) -> None:
    command = [sys.executable, guard.__file__, sys.executable, "-c", FOREVER.replace("THEN", WAIT)]
    code = f"import subprocess, time; p = subprocess.Popen({command!r}, stdin=-1, start_new_session=True); p.wait()"
    starter = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
    assert within(30, lambda: (tmp_path / "pids").is_file())
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    os.kill(starter.pid, signal.SIGKILL)
    starter.wait()
    assert within(5, lambda: not any(alive(pid) for pid in pids))


@pytest.mark.parametrize(
    ("code", "expected"), [(0, False), (1, False), (128, False), (137, True), (143, True), (255, False)]
)
def test_which_exit_codes_are_signals(code: int, expected: bool) -> None:
    assert guard.is_signal(code) is expected
