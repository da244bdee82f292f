"""When a result is recorded: edits while a stage runs, processes killed, timeouts, failures."""

import signal
from pathlib import Path

import pytest

from flows.engine.engine import FlowFailed
from flows.engine.lockfile import read_lock
from tests.flows.conftest import dvc, run_dvc, toy
from tests.flows.engine.flow import bring_up, start_flow
from tests.processes import alive, within

# Counts its runs in `runs`, and does what `behave.txt` says in the n-th.
STAGE = """
import os, signal, subprocess, sys, time
from pathlib import Path
runs = Path("runs")
n = int(runs.read_text()) + 1 if runs.exists() else 1
runs.write_text(str(n))
content = Path("input.txt").read_text()
exec(Path("behave.txt").read_text())
Path("out.txt").write_text(content)
"""
DVC_YAML = """\
  a: {{cmd: {command}, deps: [stage.py, input.txt], params: [depth], outs: [out.txt], meta: {meta}}}
"""
COMMANDS = pytest.mark.parametrize("how", ["python stage.py", "python -m stage"])  # by the shell, in a warm fork


def make(root: Path, behave: str, how: str = "python stage.py", meta: str = "{}") -> Path:
    files = {"stage.py": STAGE, "input.txt": "old", "behave.txt": behave, "params.yaml": "depth: 1\n"}
    return toy(root, DVC_YAML.format(command=how, meta=meta), files)


def runs(root: Path) -> int:
    return int((root / "runs").read_text())


@COMMANDS
def test_an_input_edited_meanwhile_makes_it_run_again(tmp_path: Path, how: str) -> None:
    root = make(tmp_path, "if n == 1: Path('input.txt').write_text('new')", how)
    lines: list[str] = []
    assert bring_up(root, "a", lines.append)["a"].outcome == "ran"
    assert "[a] a: edited while it ran: input.txt; running it again" in lines
    assert (runs(root), (root / "out.txt").read_text()) == (2, "new")
    assert bring_up(root, "a")["a"].outcome == "unchanged"
    # Neither does DVC's run cache hold the result that was not recorded.
    assert len([path for path in (root / ".dvc/cache/runs").rglob("*") if path.is_file()]) == 1
    (root / "out.txt").unlink()
    dvc(root, "repro", "-q", "a")
    assert (runs(root), (root / "out.txt").read_text()) == (2, "new")


def test_an_edit_that_leaves_the_output_the_same_is_recorded_as_well(tmp_path: Path) -> None:
    root = make(tmp_path, "content = 'always'")
    bring_up(root, "a")
    before = read_lock(root)["a"]
    (root / "behave.txt").write_text("content = 'always'\nif n == 2: Path('params.yaml').write_text('depth: 2')")
    (root / "input.txt").write_text("other")
    assert bring_up(root, "a")["a"].outcome == "ran"
    entry = read_lock(root)["a"]
    assert (runs(root), entry["params"]["params.yaml"]["depth"], entry["outs"]) == (3, 2, before["outs"])
    assert bring_up(root, "a")["a"].outcome == "unchanged"


def test_an_edit_each_time_is_a_failure_that_names_the_files_and_leaves_the_stage_out_of_date(tmp_path: Path) -> None:
    behave = "Path('input.txt').write_text(f'new {n}'); Path('params.yaml').write_text(f'depth: {n + 1}')"
    root = make(tmp_path, behave)
    with pytest.raises(FlowFailed, match="stage a failed: edited while it ran, twice: input.txt, params.yaml: depth"):
        bring_up(root, "a")
    assert runs(root) == 2
    assert "a" not in read_lock(root)
    (root / "behave.txt").write_text("")
    assert bring_up(root, "a")["a"].outcome == "ran"
    assert (runs(root), (root / "out.txt").read_text()) == (3, "new 2")


@pytest.mark.parametrize("removed", ["Path('input.txt').rename('gone')", "Path('params.yaml').write_text('{}')"])
def test_an_input_removed_meanwhile_records_nothing(tmp_path: Path, removed: str) -> None:
    root = make(tmp_path, f"if n == 1: {removed}")
    with pytest.raises(FlowFailed, match="stage a failed: "):
        bring_up(root, "a")
    assert "a" not in read_lock(root)


def test_a_stage_that_needs_less_than_before_keeps_its_new_result(tmp_path: Path) -> None:
    root = make(tmp_path, "")
    bring_up(root, "a")
    dvc_yaml = root / "dvc.yaml"
    dvc_yaml.write_text(dvc_yaml.read_text().replace("params: [depth], ", "").replace("[stage.py, ", "["))
    (root / "input.txt").write_text("new")
    assert bring_up(root, "a")["a"].outcome == "ran"
    assert "params" not in read_lock(root)["a"]
    assert bring_up(root, "a")["a"].outcome == "unchanged"


KILLED = "os.kill(os.getpid(), signal.SIGKILL)"


@COMMANDS
def test_a_killed_process_is_tried_again_and_leaves_no_child(tmp_path: Path, how: str) -> None:
    child = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
    root = make(tmp_path, f"if n == 1:\n  Path('pid').write_text(str({child}.pid)); {KILLED}", how)
    lines: list[str] = []
    assert bring_up(root, "a", lines.append)["a"].outcome == "ran"
    assert runs(root) == 2
    assert "[a] a: killed by signal 9; running it again" in lines
    assert not alive(int((root / "pid").read_text()))


def test_a_killed_warm_interpreter_is_started_anew(tmp_path: Path) -> None:
    root = make(tmp_path, "if n == 1: os.kill(os.getppid(), signal.SIGKILL); time.sleep(600)", "python -m stage")
    assert bring_up(root, "a")["a"].outcome == "ran"
    assert runs(root) == 2


def test_tries_end(tmp_path: Path) -> None:
    root = make(tmp_path, KILLED)
    with pytest.raises(FlowFailed, match="stage a failed: killed by signal 9"):
        bring_up(root, "a")
    assert runs(root) == 3


@COMMANDS
def test_an_exit_with_an_error_is_not_tried_again(tmp_path: Path, how: str) -> None:
    root = make(tmp_path, "sys.exit('no such luck')", how)
    with pytest.raises(FlowFailed, match="stage a failed: exit code 1; its last lines:\n  | no such luck"):
        bring_up(root, "a")
    assert runs(root) == 1


@COMMANDS
def test_a_timeout_holds_and_is_not_tried_again(tmp_path: Path, how: str) -> None:
    behave = "Path('pid').write_text(str(os.getpid())); time.sleep(600)"
    root = make(tmp_path, behave, how, "{timeout: 2}")
    with pytest.raises(FlowFailed, match="stage a failed: it took longer than its timeout of 2 s"):
        bring_up(root, "a")
    assert runs(root) == 1
    assert not alive(int((root / "pid").read_text()))
    assert run_dvc(root, "status", "-q").returncode == 1


def test_a_flow_that_is_killed_records_nothing_it_has_not_compared(tmp_path: Path) -> None:
    behave = "Path('input.txt').write_text('new'); Path('waits').touch(); time.sleep(600 if n == 1 else 0)"
    root = make(tmp_path, behave)
    with start_flow(root, "a") as flow:
        assert within(60, (root / "waits").exists)
        flow.send_signal(signal.SIGKILL)
    assert not (root / "dvc.lock").exists()
    assert bring_up(root, "a")["a"].outcome == "ran"
    assert (root / "out.txt").read_text() == "new"
