"""The flow on two Dask worker processes, each in a clone of its own, with a folder as the DVC remote."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
from flows.dask_workers import dask_workers
from flows.exchange import ExchangeError
from flows.lockfile import read_lock
from mlflow import MlflowClient
from prefect.settings import PREFECT_API_URL, temporary_settings
from tests.flows.test_guard import alive, within

from flows import prefect_flow
from flows.environment import stage_environment
from tests.flows.conftest import ROOT, clone_of, dvc, git, store_of, with_remote
from tests.ports import free_port

DEADLINE_SECONDS = 240
# The tiny project has neither the real params nor the real summary; everything else is the real command.
COMMAND = """\
import sys
from flows import experiment, prefect_flow
prefect_flow.validate_params = lambda: None
prefect_flow.comparison_markdown = experiment.comparison_text = lambda name: f"table of {name}"
sys.exit(experiment.main(["--experiment", "tiny", *sys.argv[1:]]))
"""
DISTRIBUTED = {"train@tiny-0", "prune@tiny-cqp-0", "prune@tiny-magnitude-0", "layers@tiny"}
RUN_HERE = {"data@tiny", "compare@tiny", "track@tiny"}

Found = TypeVar("Found")


@pytest.mark.slow
def test_stages_run_on_both_workers_with_the_results_of_a_serial_run(
    cluster: "Cluster", project: Path, serial: Path
) -> None:
    output = cluster.experiment(project)
    assert f"{len(DISTRIBUTED | RUN_HERE)} stages: {len(DISTRIBUTED | RUN_HERE)} ran" in output
    expected = read_lock(serial)
    assert set(expected) == DISTRIBUTED | RUN_HERE - {"track@tiny"}
    assert {address: entry for address, entry in read_lock(project).items() if address in expected} == expected
    assert result_files(project) == result_files(serial)

    tags = tags_by_stage(project)
    assert {address for address in tags if "worker_pid" in tags[address]} == DISTRIBUTED
    where = {(tags[address]["worker_clone"], tags[address]["worker_host"]) for address in DISTRIBUTED}
    assert where == {(str(clone), socket.gethostname()) for clone in cluster.clones}
    assert len({tags[address]["worker_pid"] for address in DISTRIBUTED}) == len(cluster.clones)
    assert {tag["outcome"] for tag in tags.values()} == {"ran"}
    # DVC notes in a clone's own run cache what was run in it, and of the stages run here it can hold none.
    assert not (project / ".dvc/cache/runs").exists()
    assert all((clone / ".dvc/cache/runs").exists() for clone in cluster.clones)

    again = cluster.experiment(project)
    assert f"{len(DISTRIBUTED | RUN_HERE)} stages: {len(DISTRIBUTED | RUN_HERE)} unchanged" in again
    assert tags_by_stage(project) == tags


@pytest.mark.slow
def test_a_stage_that_fails_on_a_worker_ends_the_flow_with_its_last_lines(cluster: "Cluster", project: Path) -> None:
    cluster.retrain_with(project, "0.2", "break-train")
    error = cluster.failing_experiment(project)
    assert "error: stage train@tiny-0 failed" in error
    assert "| train is broken" in error
    assert "prune@tiny-cqp-0" not in read_lock(project)


@pytest.mark.slow
def test_interrupting_the_flow_ends_the_stage_on_its_worker(cluster: "Cluster", project: Path) -> None:
    with cluster.experiment_in_training(project, "0.3") as (flow, pid):
        flow.send_signal(signal.SIGINT)
        assert flow.wait(timeout=60) == 128 + signal.SIGINT
    assert within(5, lambda: not alive(pid))
    assert "train@tiny-0" not in read_lock(project)


@pytest.mark.slow
def test_a_worker_that_dies_in_the_middle_of_a_stage_leaves_none_of_it_and_the_flow_finishes(
    cluster: "Cluster", project: Path
) -> None:
    with cluster.experiment_in_training(project, "0.4") as (flow, pid):
        (worker,) = [parent for parent in psutil.Process(pid).parents() if is_dask_worker(parent)]
        for clone in cluster.clones:
            (clone / "wait-train").unlink()
        worker.kill()
        assert within(5, lambda: not alive(pid))
        assert flow.wait(timeout=DEADLINE_SECONDS) == 0
    assert set(read_lock(project)) == DISTRIBUTED | RUN_HERE
    assert set(tags_by_stage(project)) == set(DISTRIBUTED | RUN_HERE) - {"track@tiny"}


def test_without_the_extra_packages_the_command_that_installs_them_is_named(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "flows.dask_workers", None)
    with pytest.raises(ExchangeError, match="`make scale` installs it"), prefect_flow._places("tcp://any", tmp_path):
        pass


def test_a_prefect_server_that_no_worker_could_reach_is_refused(tmp_path: Path) -> None:
    with (
        temporary_settings({PREFECT_API_URL: None}),
        pytest.raises(ExchangeError, match="set PREFECT_API_URL"),
        dask_workers("tcp://any", tmp_path),
    ):
        pass


def test_a_scheduler_that_does_not_answer_is_named(origin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.dask_workers.CONNECT_SECONDS", 1)
    nobody = f"tcp://127.0.0.1:{free_port()}"
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        pytest.raises(ExchangeError, match=f"no Dask scheduler answers at {nobody}"),
        dask_workers(nobody, origin),
    ):
        pass


def test_a_scheduler_without_workers_is_named(origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.dask_workers.CONNECT_SECONDS", 1)
    with ExitStack() as stack:
        scheduler = start_scheduler(stack, tmp_path, stage_environment())
        stack.enter_context(temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}))
        stack.enter_context(
            pytest.raises(ExchangeError, match=f"no worker has come to the Dask scheduler at {scheduler}")
        )
        stack.enter_context(dask_workers(scheduler, origin))


class Cluster:
    """A Prefect server, a Dask scheduler and its workers."""

    def __init__(self, scheduler: str, clones: list[Path], environment: dict[str, str]) -> None:
        self.clones = clones
        self._command = [sys.executable, "-c", COMMAND, "--dask", scheduler]
        self._environment = environment

    def experiment(self, project: Path) -> str:
        """What the flow printed."""
        done = self._run(project)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def failing_experiment(self, project: Path) -> str:
        """Its error: all from `error: ` on."""
        done = self._run(project)
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stderr[done.stderr.index("error: ") :]

    @contextmanager
    def experiment_in_training(self, project: Path, lr: str) -> Iterator[tuple[subprocess.Popen, int]]:
        """The flow while its first training, with another learning rate, waits on a worker, and the training's pid."""
        self.retrain_with(project, lr, "wait-train")
        with (
            (project.parent / "flow.log").open("wb") as log,
            subprocess.Popen(self._command, cwd=project, env=self._environment, stdout=log, stderr=log) as flow,
        ):
            (pid,) = wait_for(lambda: [int((clone / "wait-pid").read_text()) for clone in self.working()])
            yield flow, pid

    def retrain_with(self, project: Path, lr: str, mark: str) -> None:
        """Commit another learning rate; the clones have it, nothing of what was run in them, and a file `mark`."""
        params = project / "params.yaml"
        params.write_text(params.read_text().replace("lr: 0.1", f"lr: {lr}"))
        git(project, "commit", "-qam", f"Learning rate {lr}")
        for clone in self.clones:
            git(clone, "fetch", "-q", str(project), "HEAD")
            git(clone, "reset", "-q", "--hard", "FETCH_HEAD")
            git(clone, "clean", "-qfdx", "--exclude=.dvc")
            (clone / mark).touch()

    def working(self) -> list[Path]:
        """The clones in which a stage waits; OSError when there is none."""
        found = [clone for clone in self.clones if (clone / "wait-pid").is_file()]
        if not found:
            raise FileNotFoundError("wait-pid")
        return found

    def _run(self, project: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self._command, cwd=project, env=self._environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def origin(templates: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as it is on the server that all clone from, with its DVC remote."""
    folder = tmp_path_factory.mktemp("dask")
    root = Path(shutil.copytree(templates / "fresh", folder / "origin"))
    with_remote(root, folder / "remote")
    return root


@pytest.fixture(scope="module")
def cluster(origin: Path) -> Iterator[Cluster]:
    """Two workers, each in its clone, started the way docs/scale.md does it."""
    folder = origin.parent
    port = free_port()
    environment = stage_environment() | {
        "PYTHONPATH": str(ROOT),
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
    }
    environment.pop("MLFLOW_TRACKING_URI", None)
    clones = [clone_of(origin, folder / name) for name in ("first", "second")]
    with ExitStack() as stack:

        def start(*command: str, cwd: Path = folder) -> None:
            stack.enter_context(process(list(command), cwd, environment))

        start(sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port))
        scheduler = start_scheduler(stack, folder, environment)
        for clone in clones:
            start(sys.executable, "-m", "dask", "worker", scheduler, "--nthreads", "1", "--no-dashboard", cwd=clone)
        wait_for(lambda: urllib.request.urlopen(f"{environment['PREFECT_API_URL']}/health", timeout=5))
        wait_for(lambda: two_workers(scheduler))
        yield Cluster(scheduler, clones, environment)


@pytest.fixture
def project(origin: Path, templates: Path, tmp_path: Path) -> Path:
    """The clone that the flow runs in."""
    root = clone_of(origin, tmp_path / "project")
    shutil.copytree(templates / "store/mlruns", root / "mlruns")
    return root


@pytest.fixture
def serial(origin: Path, tmp_path: Path) -> Path:
    """A clone in which DVC alone has run everything, one stage after the other."""
    root = clone_of(origin, tmp_path / "serial")
    dvc(root, "repro", "-q", "compare@tiny", "layers@tiny")
    return root


def start_scheduler(stack: ExitStack, folder: Path, environment: dict[str, str]) -> str:
    """The address of a Dask scheduler that runs until `stack` is closed."""
    about = folder / "scheduler.json"
    where = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(about)]
    stack.enter_context(process([sys.executable, "-m", "dask", "scheduler", *where], folder, environment))
    return wait_for(lambda: json.loads(about.read_text())["address"])


def is_dask_worker(process: psutil.Process) -> bool:
    """Whether it is the process that runs a worker's tasks, which its nanny has started."""
    return "multiprocessing" in " ".join(process.cmdline())


def two_workers(scheduler: str) -> None:
    from distributed import Client

    with Client(scheduler, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=DEADLINE_SECONDS)


def wait_for(attempt: Callable[[], Found]) -> Found:
    """What `attempt` returns once it no longer fails; its failure when the deadline has passed."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            return attempt()
        except (OSError, ValueError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@contextmanager
def process(command: list[str], cwd: Path, environment: dict[str, str]) -> Iterator[None]:
    with (cwd.parent / f"{cwd.name}-{command[3]}.log").open("ab") as log:
        running = subprocess.Popen(command, cwd=cwd, env=environment, stdout=log, stderr=log)
        try:
            yield
        finally:
            running.terminate()
            try:
                running.wait(timeout=30)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


def tags_by_stage(root: Path) -> dict[str, dict[str, str]]:
    runs = MlflowClient(store_of(root)).search_runs(["1"])
    return {run.data.tags["dvc_stage"]: run.data.tags for run in runs if "mlflow.parentRunId" not in run.data.tags}


def result_files(root: Path) -> dict[str, bytes]:
    files = [path for path in (root / "results").rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files if path.name != ".gitignore"}
