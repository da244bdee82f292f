"""A flow that is ended, however, leaves no process running, and the next one goes on to the same results."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from tests.flows.test_guard import alive, within

from tests.flows import foreign

# Waits for ever when it runs for the first time, with a child of its own.
STAGE = """
import os, subprocess, sys, time
from pathlib import Path
name = sys.argv[1]
first = Path(f"{name}.pids")
if not first.exists():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    partial = Path(f"{name}.partial")
    partial.write_text(f"{os.getpid()} {child.pid}")
    partial.replace(first)
    print(name, "waits", flush=True)
    time.sleep(600)
Path(f"{name}.txt").write_text(name)
"""
DVC_YAML = """\
  a:
    cmd: python stage.py a
    deps: [stage.py]
    outs: [a.txt]
  b:
    cmd: python stage.py b
    deps: [stage.py]
    outs: [b.txt]
  both:
    cmd: cat a.txt b.txt > both.txt
    deps: [a.txt, b.txt]
    outs: [both.txt]
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of three stages that has nothing of ours, as the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    return foreign.make(tmp_path / "project", DVC_YAML, {"stage.py": STAGE})


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGKILL, -signal.SIGKILL)],
    ids=lambda x: str(x),
)
def test_no_orphan_and_the_next_run_completes(root: Path, monkeypatch, number: signal.Signals, code: int) -> None:
    monkeypatch.chdir(root)
    flow = subprocess.Popen(
        foreign.command("both"), cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert within(60, lambda: all((root / f"{name}.pids").is_file() for name in "ab"))
    pids = [int(pid) for name in "ab" for pid in (root / f"{name}.pids").read_text().split()]
    assert all(alive(pid) for pid in pids)
    os.kill(flow.pid, number)
    output, _ = flow.communicate(timeout=30)
    assert flow.returncode == code, output
    assert within(5, lambda: not any(alive(pid) for pid in pids))
    assert not (root / "dvc.lock").exists()
    if number != signal.SIGKILL:
        assert "stopping a, b" in output

    done = foreign.run(root, "both")
    assert {stage.outcome for stage in done.values()} == {"ran"}
    assert (root / "both.txt").read_text() == "ab"


def test_ctrl_c_reaches_no_stage_by_the_terminal(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal sends SIGINT to its whole foreground group; stages are in sessions of their own."""
    monkeypatch.chdir(root)
    flow = subprocess.Popen(foreign.command("a"), cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert within(60, lambda: (root / "a.pids").is_file())
    pids = [int(pid) for pid in (root / "a.pids").read_text().split()]
    assert os.getpgid(flow.pid) not in {os.getpgid(pid) for pid in pids}
    assert len({os.getpgid(pid) for pid in pids}) == 1
    flow.send_signal(signal.SIGINT)
    flow.wait(timeout=30)
    assert within(5, lambda: not any(alive(pid) for pid in pids))
