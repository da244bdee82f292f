"""What a terminal shows of a run: a live line for each running stage, and lines that stay."""

import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

from flows.environment import stage_environment
from tests.flows.conftest import toy

PROGRAM = """
from pathlib import Path
from flows.display import Display
from tests.flows.engine.flow import run_target
from flows.engine.dvc import Project
with Display() as display:
    run_target(Project(Path.cwd()), "b", say=display.say, carry_out=display.bring_up)
"""
STAGES = """\
  a: {cmd: "echo first; sleep 1; echo second; echo a > a", outs: [a]}
  b: {cmd: "echo 'a [bold]tag[/bold]'; sleep 1; cp a b", deps: [a], outs: [b]}
"""


def test_a_running_stage_has_a_live_line_and_one_that_ended_a_line_that_stays(tmp_path: Path) -> None:
    root = toy(tmp_path, STAGES)
    master, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (40, 100))
    environment = {**stage_environment(), "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm", "COLUMNS": "100"}
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, cwd=root, env=environment, stdout=terminal, stderr=terminal):
        os.close(terminal)
        shown = b""
        try:
            while part := os.read(master, 4096):
                shown += part
        except OSError:  # the other end is closed
            pass
    os.close(master)
    text = shown.decode()
    assert "computing hashes" not in text and "Checking cache" not in text  # DVC's own bars
    live = [line for line in text.split("\r") if "0:00:0" in line and " left, " not in line]
    assert any("a " in line and "first" in line for line in live)
    assert any("b " in line and "a [bold]tag[/bold]" in line for line in live)
    stays = [line for line in text.replace("\r", "\n").splitlines() if " left, " in line]
    assert [line.partition("] ")[2].split(" in ")[0] for line in stays] == ["a: ran", "b: ran"]
    assert (root / "logs/a.log").read_text() == "first\nsecond\n"
    assert (root / "logs/b.log").read_text() == "a [bold]tag[/bold]\n"
