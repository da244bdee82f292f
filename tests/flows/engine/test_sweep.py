"""What a program started goes with it, sessions and parents notwithstanding."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.imports import PROJECT
from tests.processes import alive, within

# Starts a child in a session of its own by way of a parent that dies at once, then ends as it is told.
PROGRAM = """
import os, subprocess, sys, time
from flows.engine.sweep import sweep_at_end
sweep_at_end()
note = "open('pid.partial', 'w').write(str(os.getpid())); os.replace('pid.partial', 'pid')"
child = f"import os, time; {note}; time.sleep(600)"
lost = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True)"
subprocess.run([sys.executable, "-c", lost], check=True)
while not os.path.exists("pid"):
    time.sleep(0.02)
THEN
"""


@pytest.mark.parametrize("then", ["os.kill(os.getpid(), 9)", "sys.exit(3)", "1 / 0"])
def test_a_lost_child_ends_however_the_program_does(tmp_path: Path, then: str, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    program = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("THEN", then)], cwd=tmp_path, stderr=subprocess.PIPE
    )
    assert program.returncode != 0
    pid = int((tmp_path / "pid").read_text())
    assert within(5, lambda: not alive(pid))


def test_nothing_else_is_killed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        done = "from flows.engine import sweep; sweep.sweep_at_end(); sweep.sweep('no such mark')"
        subprocess.run([sys.executable, "-c", done], check=True)
        assert alive(other.pid)
        other.communicate(b"\n")
    assert other.returncode == 0
