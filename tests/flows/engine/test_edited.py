"""When a result is believed: edits while a stage runs, processes killed, timeouts, failures."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from flows.lockfile import read_lock
from tests.flows.test_guard import alive, within

from flows import unproven
from flows.engine import FlowFailed
from tests.flows import foreign
from tests.flows.conftest import dvc
from tests.imports import PROJECT

# Counts its runs in `runs`, and does what `behave.py` says in the n-th.
STAGE = """
import os, signal, sys, time
from pathlib import Path
runs = Path("runs")
n = int(runs.read_text()) + 1 if runs.exists() else 1
runs.write_text(str(n))
content = Path("input.txt").read_text()
exec(Path("behave.txt").read_text())
Path("out.txt").write_text(content)
"""
SET_CHILD_SUBREAPER = 36
DVC_YAML = """\
  a:
    cmd: python stage.py
    deps: [stage.py, input.txt]
    params: [depth]
    outs: [out.txt]
    meta: {{flow: {hints}}}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DVC's addresses are relative to the working folder."""
    monkeypatch.chdir(tmp_path)


def make(root: Path, behave: str, hints: str = "{}") -> Path:
    files = {"stage.py": STAGE, "input.txt": "old", "behave.txt": behave, "params.yaml": "depth: 1\n"}
    return foreign.make(root, DVC_YAML.format(hints=hints), files)


def runs(root: Path) -> int:
    return int((root / "runs").read_text())


def test_an_input_edited_meanwhile_makes_it_run_again(tmp_path: Path) -> None:
    root = make(tmp_path, "if n == 1: Path('input.txt').write_text('new')")
    lines: list[str] = []
    assert foreign.run(root, "a", lines)["a"].outcome == "ran"
    assert "[a] a: edited while it ran: input.txt; running it again" in lines
    assert (runs(root), (root / "out.txt").read_text()) == (2, "new")
    assert foreign.run(root, "a")["a"].outcome == "unchanged"
    # Neither does DVC's run cache hold the result that is not to be believed.
    (root / "out.txt").unlink()
    dvc(root, "repro", "-q", "a")
    assert (runs(root), (root / "out.txt").read_text()) == (2, "new")


def test_an_edit_each_time_is_a_failure_that_names_the_files_and_leaves_the_stage_out_of_date(tmp_path: Path) -> None:
    behave = "Path('input.txt').write_text(f'new {n}'); Path('params.yaml').write_text(f'depth: {n + 1}')"
    root = make(tmp_path, behave)
    with pytest.raises(FlowFailed, match="stage a failed: edited while it ran, twice: input.txt, params.yaml: depth"):
        foreign.run(root, "a")
    assert runs(root) == 2
    assert "a" not in read_lock(root)
    (root / "behave.txt").write_text("")
    assert foreign.run(root, "a")["a"].outcome == "ran"
    assert (runs(root), (root / "out.txt").read_text()) == (3, "new 2")


def test_a_stage_that_needs_less_than_before_keeps_its_new_result(tmp_path: Path) -> None:
    root = make(tmp_path, "")
    foreign.run(root, "a")
    dvc_yaml = root / "dvc.yaml"
    dvc_yaml.write_text(dvc_yaml.read_text().replace("    params: [depth]\n", "").replace("stage.py, ", ""))
    (root / "input.txt").write_text("new")
    assert foreign.run(root, "a")["a"].outcome == "ran"
    assert "params" not in read_lock(root)["a"]
    assert foreign.run(root, "a")["a"].outcome == "unchanged"


FLOW_KILLED_BEFORE_IT_LOOKED = """
import os, signal, sys
from flows import attempts
attempts._prove = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_result_that_a_killed_flow_could_not_check_is_made_again(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    root = make(tmp_path, "if n == 1: Path('input.txt').write_text('new')")
    command = [sys.executable, "-c", FLOW_KILLED_BEFORE_IT_LOOKED + foreign.RUN, "a"]
    assert subprocess.run(command, cwd=root).returncode == -signal.SIGKILL
    assert "a" in read_lock(root)
    assert (root / "out.txt").read_text() == "old"  # DVC takes it for the result of the new input
    lines: list[str] = []
    assert foreign.run(root, "a", lines)["a"].outcome == "ran"
    assert "a: the last flow was killed before it could check the result; it is made again" in lines
    assert (runs(root), (root / "out.txt").read_text()) == (2, "new")
    assert unproven.left(root) == []


def test_an_older_result_is_believed_after_a_killed_run(tmp_path: Path) -> None:
    root = make(tmp_path, "")
    foreign.run(root, "a")
    unproven.note(root, "a")  # as a flow does that is killed while the stage runs
    assert foreign.run(root, "a")["a"].outcome == "unchanged"
    assert unproven.left(root) == []


KILLED = "os.kill(os.getpid(), signal.SIGKILL)"
KILLED_DVC = """
import psutil
for parent in psutil.Process().parents():
    if "repro" in parent.cmdline() and "--single-item" in parent.cmdline() and "guard" not in parent.cmdline()[1]:
        parent.kill()
        time.sleep(600)
"""


KILLED_GUARD = """
import psutil
Path("pid").write_text(str(os.getpid()))
for parent in psutil.Process().parents():
    if parent.cmdline()[1].endswith("guard.py"):
        parent.kill()
        time.sleep(600)
"""


@pytest.mark.parametrize("death", [KILLED, KILLED_DVC, KILLED_GUARD], ids=["stage", "dvc", "guard"])
def test_a_killed_process_is_tried_again(tmp_path: Path, death: str) -> None:
    root = make(tmp_path, f"if n == 1:\n  exec({death!r})")
    lines: list[str] = []
    assert foreign.run(root, "a", lines)["a"].outcome == "ran"
    assert runs(root) == 2
    assert [line for line in lines if line.endswith("which may be for once; trying again")]
    if (root / "pid").exists():
        assert not alive(int((root / "pid").read_text()))


@pytest.fixture
def unreaping() -> Iterator[None]:
    """Whoever loses its parent becomes this process's child, and when it dies nobody waits for it: so in a container
    whose first process is no init."""
    process_control = ctypes.CDLL(None).prctl
    process_control(SET_CHILD_SUBREAPER, 1)
    yield
    process_control(SET_CHILD_SUBREAPER, 0)
    for child in psutil.Process().children():
        if child.status() == psutil.STATUS_ZOMBIE:
            os.waitpid(child.pid, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_the_dead_that_nobody_waits_for_are_in_no_ones_way(tmp_path: Path, unreaping: None) -> None:
    root = make(tmp_path, f"if n == 1:\n  exec({KILLED_GUARD!r})")
    lines: list[str] = []
    assert foreign.run(root, "a", lines)["a"].outcome == "ran"
    assert any(child.status() == psutil.STATUS_ZOMBIE for child in psutil.Process().children())
    assert [line for line in lines if "trying again" in line] == [
        "[a] a: exit code -9, which may be for once; trying again"
    ]


def test_tries_end(tmp_path: Path) -> None:
    root = make(tmp_path, KILLED, "{retries: 1}")
    with pytest.raises(FlowFailed, match="stage a failed: exit code"):
        foreign.run(root, "a")
    assert runs(root) == 2


def test_an_exit_with_an_error_is_not_tried_again(tmp_path: Path) -> None:
    root = make(tmp_path, "sys.exit('no such luck')")
    with pytest.raises(FlowFailed, match="no such luck"):
        foreign.run(root, "a")
    assert runs(root) == 1


def test_a_timeout_holds_and_is_not_tried_again(tmp_path: Path) -> None:
    root = make(tmp_path, "Path('pid').write_text(str(os.getpid())); time.sleep(600)", "{timeout: 6}")
    with pytest.raises(FlowFailed, match="stage a failed: it took longer than its timeout of 6 s"):
        foreign.run(root, "a")
    assert runs(root) == 1
    assert within(5, lambda: not alive(int((root / "pid").read_text())))
    assert subprocess.run([sys.executable, "-m", "dvc", "status", "-q"], cwd=root).returncode == 1
