"""A flow whose commands run on two Dask worker processes that see the same folder."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from flows.engine.lockfile import read_lock
from flows.environment import stage_environment
from flows.run import executor_for
from snnprune.core.errors import UserError
from tests.flows.conftest import toy
from tests.flows.engine.flow import Log, bring_up, start_flow
from tests.imports import PROJECT
from tests.processes import alive, free_port, within

pytest.importorskip("distributed")

DEADLINE = 60
# Says which worker runs it; does what `behave` says.
STAGE = """
import os, signal, sys, time
from pathlib import Path
name = sys.argv[1]
print(name, "at work", flush=True)
exec(Path("behave").read_text())
Path(f"{name}.txt").write_text(name)
"""
WAIT = """
if name == "a" and not Path("pid").exists():
    Path("pid.partial").write_text(str(os.getpid()))
    Path("pid.partial").rename("pid")
    time.sleep(600)
"""
MEET = """
Path(f"{name}.here").touch()
while name in "ab" and len(list(Path().glob("[ab].here"))) < 2:
    time.sleep(0.02)
"""
DVC_YAML = """\
  a: {cmd: python stage.py a, deps: [stage.py], outs: [a.txt]}
  b: {cmd: python -m stage b, deps: [stage.py], outs: [b.txt]}
  c: {cmd: python stage.py c, deps: [a.txt, b.txt], outs: [c.txt]}
"""


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a scheduler with two workers of one thread each, started as docs/cluster.md says."""
    folder = tmp_path_factory.mktemp("dask")
    with ExitStack() as stack:
        address = start_scheduler(stack, folder)
        for name in ("one", "two"):
            worker = ["worker", address, "--nthreads", "1", "--no-dashboard", "--name", name]
            stack.enter_context(dask(folder, *worker))
        with executor_for(address) as (executor, _):
            assert within(DEADLINE, lambda: executor.room == 2)
        yield address


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project of three stages that do nothing special."""
    return toy(tmp_path / "project", DVC_YAML, {"stage.py": STAGE, "behave": ""})


def test_both_workers_run_stages_with_the_results_of_a_run_here(scheduler: str, root: Path, tmp_path: Path) -> None:
    here = Path(shutil.copytree(root, tmp_path / "here"))
    bring_up(here, "c")
    (root / "behave").write_text(MEET)
    lines, log = [], Log()
    with executor_for(scheduler) as (executor, room):
        assert room == 2
        done = bring_up(root, "c", lines.append, workers=room, executor=executor, tracking=log)
    assert {stage.outcome for stage in done.values()} == {"ran"}
    assert "[a] a at work" in lines
    where = [tags for _, tags in log.logged.values()]
    assert len({tags["worker_pid"] for tags in where}) == 2
    assert all(tags["worker_host"] for tags in where)
    assert {stage.cost.host for stage in done.values()} == {tags["worker_host"] for tags in where}
    assert all(stage.cost.wall_seconds > 0 for stage in done.values())
    assert read_lock(root) == read_lock(here)
    assert [(root / f"{name}.txt").read_text() for name in "abc"] == ["a", "b", "c"]
    assert not list((root / ".dvc/tmp/tickets").iterdir())


def test_a_stage_that_fails_on_a_worker_ends_the_flow_with_its_last_lines(scheduler: str, root: Path) -> None:
    (root / "behave").write_text("sys.exit('broken there')")
    flow = start_flow(root, "c", scheduler)
    output, _ = flow.communicate(timeout=DEADLINE)
    assert flow.returncode == 1
    assert "stage a failed: exit code 1; its last lines:\n  | a at work\n  | broken there" in output
    assert not (root / "dvc.lock").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_ending_the_flow_ends_the_stage_on_its_worker(scheduler: str, root: Path, number: signal.Signals) -> None:
    (root / "behave").write_text(WAIT)
    flow = start_flow(root, "c", scheduler)
    assert within(DEADLINE, (root / "pid").exists)
    pid = int((root / "pid").read_text())
    flow.send_signal(number)
    output, _ = flow.communicate(timeout=DEADLINE)
    assert flow.returncode == (128 + number if number == signal.SIGINT else -number), output
    assert within(5, lambda: not alive(pid))
    assert not (root / "dvc.lock").exists()
    with executor_for(scheduler) as (executor, room):
        assert bring_up(root, "c", workers=room, executor=executor)["c"].outcome == "ran"


def test_a_worker_that_dies_leaves_nothing_of_its_stage_and_the_flow_finishes(scheduler: str, root: Path) -> None:
    (root / "behave").write_text(WAIT)
    flow = start_flow(root, "c", scheduler)
    assert within(DEADLINE, (root / "pid").exists)
    pid = int((root / "pid").read_text())
    worker = next(parent for parent in psutil.Process(pid).parents() if "multiprocessing" in " ".join(parent.cmdline()))
    worker.kill()
    output, _ = flow.communicate(timeout=DEADLINE)
    assert flow.returncode == 0, output
    assert not alive(pid)
    assert "its Dask worker died; running it again" in output
    assert set(read_lock(root)) == set("abc")


def test_a_worker_in_another_folder_is_named(scheduler: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.engine.dask.TICKETS", Path("tickets"))
    monkeypatch.setattr("pathlib.Path.touch", lambda path: None)  # the workers see no ticket
    monkeypatch.setattr("pathlib.Path.exists", lambda path: True)
    with executor_for(scheduler) as (executor, _), pytest.raises(Exception, match="does not see"):
        bring_up(root, "c", executor=executor)


def test_without_dask_the_page_that_says_how_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flows.engine.dask", None)
    with pytest.raises(UserError, match=r"Dask is not installed, see docs/cluster\.md"), executor_for("tcp://any"):
        pass


def test_a_scheduler_that_does_not_answer_or_has_no_workers_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("flows.engine.dask.CONNECT_SECONDS", 1)
    nobody = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(UserError, match=f"no Dask scheduler answers at {nobody}"), executor_for(nobody):
        pass
    with ExitStack() as stack:
        address = start_scheduler(stack, tmp_path)
        with pytest.raises(UserError, match=f"no worker has come to the Dask scheduler at {address}"):
            stack.enter_context(executor_for(address))


def test_slurm_by_dask_jobqueue(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobqueue = pytest.importorskip("dask_jobqueue")
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    options = {"cores": 1, "memory": "4GB", "log_directory": str(tmp_path)}
    options["scheduler_options"] = {"dashboard": False, "host": "127.0.0.1"}
    with jobqueue.SLURMCluster(queue="cpu", walltime="08:00:00", **options) as slurm:
        script = slurm.job_script()
    assert "distributed.cli.dask_worker tcp://" in script
    with pytest.importorskip("dask_jobqueue.local").LocalCluster(**options) as cluster:
        cluster.scale(2)
        with executor_for(cluster.scheduler_address) as (executor, _):
            assert bring_up(root, "c", workers=2, executor=executor)["c"].outcome == "ran"


def start_scheduler(stack: ExitStack, folder: Path) -> str:
    """The address of a Dask scheduler that runs until `stack` is closed."""
    about = folder / "scheduler.json"
    where = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(about)]
    stack.enter_context(dask(folder, "scheduler", *where))
    assert within(DEADLINE, lambda: about.exists() and about.read_text().endswith("}"))
    return json.loads(about.read_text())["address"]


@contextmanager
def dask(folder: Path, *arguments: str) -> Iterator[None]:
    """`dask ...` while in here; a signal ends it and, with a nanny, its worker."""
    environment = {**stage_environment(), "PYTHONPATH": str(PROJECT)}
    with (folder / f"{arguments[-1].replace('/', '-')}.log").open("ab") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments], cwd=folder, env=environment, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        running.terminate()
        try:
            running.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.kill(running.pid, signal.SIGKILL)
            running.wait()
