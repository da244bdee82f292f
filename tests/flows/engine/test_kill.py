"""A flow that is ended, however, leaves no process running, and the next one goes on to the same results."""

import os
import signal
from pathlib import Path

import pytest

from tests.flows.conftest import toy
from tests.flows.engine.flow import bring_up, start_flow
from tests.processes import alive, within

# Waits for ever when it runs for the first time, with two children of its own, one in another session.
STAGE = """
import os, subprocess, sys, time
from pathlib import Path
name = sys.argv[1]
first = Path(f"{name}.pids")
if not first.exists():
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    children = [subprocess.Popen(sleep), subprocess.Popen(sleep, start_new_session=True)]
    partial = Path(f"{name}.partial")
    partial.write_text(" ".join(str(pid) for pid in (os.getpid(), *(child.pid for child in children))))
    partial.replace(first)
    print(name, "waits", flush=True)
    time.sleep(600)
Path(f"{name}.txt").write_text(name)
"""
DVC_YAML = """\
  a: {cmd: python stage.py a, deps: [stage.py], outs: [a.txt]}
  b: {cmd: python -m stage b, deps: [stage.py], outs: [b.txt]}
  both: {cmd: cat a.txt b.txt > both.txt, deps: [a.txt, b.txt], outs: [both.txt]}
"""


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)],
    ids=lambda x: str(x),
)
def test_no_orphan_and_the_next_run_completes(tmp_path: Path, number: signal.Signals, code: int) -> None:
    root = toy(tmp_path, DVC_YAML, {"stage.py": STAGE})
    flow = start_flow(root, "both")
    assert within(60, lambda: all((root / f"{name}.pids").is_file() for name in "ab"))
    pids = [int(pid) for name in "ab" for pid in (root / f"{name}.pids").read_text().split()]
    assert all(alive(pid) for pid in pids)
    assert os.getpgid(flow.pid) not in {os.getpgid(pid) for pid in pids}  # a terminal's Ctrl-C goes to the flow alone
    os.kill(flow.pid, number)
    output, _ = flow.communicate(timeout=30)
    assert flow.returncode == code, output
    assert within(5, lambda: not any(alive(pid) for pid in pids))
    assert not (root / "dvc.lock").exists()
    if number != signal.SIGKILL:
        assert "stopping a, b" in output
    done = bring_up(root, "both")
    assert {stage.outcome for stage in done.values()} == {"ran"}
    assert (root / "both.txt").read_text() == "ab"


def test_what_a_stage_leaves_running_ends_with_it(tmp_path: Path) -> None:
    left = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    forked = "import os\nif not (pid := os.fork()):\n    import time; time.sleep(600)\n"
    write = "open(sys.argv[1], 'w').write(f'{p.pid} {pid}')\n"
    stages = "  a: {cmd: python left.py a, outs: [a]}\n  b: {cmd: python -m left b, outs: [b]}\n"
    stages += "  both: {cmd: cat a b > both, deps: [a, b], outs: [both]}\n"
    root = toy(tmp_path, stages, {"left.py": left + forked + write})
    bring_up(root, "both")
    assert not any(alive(int(pid)) for name in "ab" for pid in (root / name).read_text().split())
