"""`make deploy` for real: a cron schedule that fires in a worktree, a run on demand, and nothing left behind."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event

import psutil
import pytest
import requests
from mlflow import MlflowClient

from flows.deploy import environment_of, main
from tests.flows.conftest import DVC_YAML, STAGE
from tests.imports import PROJECT
from tests.ports import free_port
from tests.tiny import environment, make_repository, run, tiny_params, write_params

pytestmark = pytest.mark.slow

MARK = "DEPLOY_MARK"
BROKEN = "\n# a person is editing: this is neither YAML nor Python }{\n }{\n"
EDITED = ("params.yaml", "flows/engine.py", "stage.py")
SUMMARY = """{
    "experiment": experiment, "protocol": "fair", "synapses": 5, "seeds": [0], "results": [],
    "dense": {"mean": 0.9, "low": None}
}"""
ON_DEMAND = ("deployment", "run", "experiment/on-demand", "--watch", "--param")
EVERY_15_SECONDS = "* * * * * */15"


def within(seconds: float, condition: Callable[[], object]) -> object:
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        Event().wait(0.5)
    return found


def processes(mark: str) -> list[psutil.Process]:
    """All living processes that `make deploy` has started, whatever session they are in."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


class Deployed:
    """A repository of which `make deploy` is run, and the address of its server."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        installed = ("-o", ".venv/.installed-from-lock")  # there is no need to set up what these tests run in
        self.command = ["make", "--no-print-directory", *installed, "deploy", f"PORT={port}"]
        self.mark = f"{folder}:{port}"
        self.environment = {**environment(folder), MARK: self.mark, "PREFECT_API_URL": f"{self.url}/api"}
        self.environment["PREFECT_WORKER_QUERY_SECONDS"] = "1"

    def start(self) -> None:
        log = self.folder / "deploy.log"
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                self.command, cwd=self.folder, env=self.environment, stdout=stream, stderr=stream
            )
        up = within(150, lambda: "up: " in log.read_text() or self._process.poll() is not None)
        assert up and self._process.poll() is None, log.read_text()

    def end(self) -> None:
        """End `make` by SIGTERM, and find nothing left of what it had started."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=30)
        left = within(5, lambda: not processes(self.mark))
        assert left, [process.cmdline() for process in processes(self.mark)]
        assert "ended: server, worker and the runs" in self.said

    @property
    def said(self) -> str:
        return (self.folder / "deploy.log").read_text()

    def ask(self, path: str, query: dict | None = None) -> list[dict]:
        answer = requests.post(f"{self.url}/api/{path}", json=query or {}, timeout=30)
        answer.raise_for_status()
        return answer.json() if answer.content else []

    def runs(self, deployment: str, *states: str) -> list[dict]:
        where = {"deployments": {"name": {"any_": [deployment]}}, "flow_runs": {"state": {"name": {"any_": states}}}}
        return self.ask("flow_runs/filter", where)

    def prefect(self, *arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "prefect", *arguments]
        return subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)

    def mlflow_tags(self, experiment: str) -> list[dict[str, str]]:
        """Of the runs that show current results."""
        client = MlflowClient(f"sqlite:///{self.folder / 'mlruns/mlflow.db'}")
        found = client.get_experiment_by_name(experiment)
        return [run.data.tags for run in client.search_runs([found.experiment_id], "tags.current = 'true'")]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """All is up, with trivial stages.

    The nightly deployment is due every 15 seconds, and a person's edits have broken the project.
    """
    folder = make_repository(tmp_path_factory.mktemp("deploy") / "project")
    for name in ("Makefile", "requirements.lock"):
        shutil.copy(PROJECT / name, folder / name)
    (folder / "dvc.yaml").write_text(DVC_YAML)
    (folder / "stage.py").write_text(STAGE.replace('{"levels": [0.5]}', SUMMARY))
    write_params(folder, tiny_params(methods=["magnitude"], seeds=[0]))
    yaml = (PROJECT / "prefect.yaml").read_text().replace("experiment: mnist", "experiment: digits")
    (folder / "prefect.yaml").write_text(yaml.replace("0 2 * * *", EVERY_15_SECONDS))
    run(folder, "git", "add", ".")
    run(folder, "git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "often")
    found = Deployed(folder, free_port())
    found.start()
    for name in EDITED:
        with (folder / name).open("a") as file:
            file.write(BROKEN)
    yield found
    found.end()


@pytest.fixture(scope="module")
def scheduled(deployed: Deployed) -> dict:
    """The first run that the cron schedule has started; it is finished, and there will be no other."""
    ended = ("Completed", "Failed", "Crashed")
    assert within(90, lambda: deployed.runs("nightly", "Running", *ended))
    for deployment in deployed.ask("deployments/filter", {"deployments": {"name": {"any_": ["nightly"]}}}):
        deployed.ask(f"deployments/{deployment['id']}/pause_deployment")
    assert within(240, lambda: deployed.runs("nightly", *ended))
    (first, *_) = deployed.runs("nightly", *ended)
    assert first["state"]["name"] == "Completed", first["state"]["message"]
    return first


def test_it_says_what_is_up_and_a_second_deploy_says_that_it_is(deployed: Deployed) -> None:
    assert f"up: {deployed.url} shows" in deployed.said
    assert f"  experiment/nightly: mnist, every night (cron {EVERY_15_SECONDS}, UTC)\n" in deployed.said
    assert "  experiment/on-demand: any experiment; methods, levels and seeds narrow it for one run (by hand)\n" in (
        deployed.said
    )
    assert "  experiment/smoke: digits, every Monday morning (cron 0 6 * * 1, UTC)\n" in deployed.said
    second = subprocess.run(
        deployed.command, cwd=deployed.folder, env=deployed.environment, capture_output=True, text=True
    )
    assert second.returncode == 0
    assert second.stdout.startswith(f"already up: {deployed.url}")


def test_a_cron_schedule_fires_and_finishes_in_a_worktree_while_a_person_edits(
    deployed: Deployed, scheduled: dict
) -> None:
    assert scheduled["auto_scheduled"]
    folder = deployed.folder
    assert all((folder / name).read_text().endswith(BROKEN) for name in EDITED)
    assert not (folder / "results").exists()
    assert (folder / ".worktrees/nightly/results/digits/compare/summary.json").is_file()
    tags = deployed.mlflow_tags("digits")
    assert {"data@digits", "train@digits-0", "compare@digits"} <= {of_one["dvc_stage"] for of_one in tags}
    assert scheduled["id"] in {of_one["prefect_flow_run"] for of_one in tags}
    assert {of_one["git_commit"] for of_one in tags} == {run(folder, "git", "rev-parse", "HEAD").strip()}
    location = MlflowClient(f"sqlite:///{folder / 'mlruns/mlflow.db'}").get_experiment_by_name("digits")
    assert location.artifact_location == (folder / "mlruns/artifacts/digits").as_uri()


def test_what_a_scheduled_run_made_a_person_gets_from_the_cache(
    deployed: Deployed, scheduled: dict, tmp_path: Path
) -> None:
    """In the person's folder without the edits; a clone with the same cache, so that the other tests keep theirs."""
    clone = tmp_path / "clone"
    run(deployed.folder, "git", "clone", "--quiet", ".", str(clone))
    run(clone, "dvc", "cache", "dir", "--local", str(deployed.folder / ".dvc/cache"))
    output = run(clone, "dvc", "repro", "prune@digits-magnitude-0")
    assert "Stage 'train@digits-0' is cached" in output and "Stage 'prune@digits-magnitude-0' is cached" in output
    results = "results/digits/prune/magnitude/seed0/levels.csv"
    assert (clone / results).read_text() == (deployed.folder / ".worktrees/nightly" / results).read_text()


def test_a_run_on_demand_takes_parameters_and_is_shown_apart(deployed: Deployed, scheduled: dict) -> None:
    standard = sorted(tags["dvc_hash"] for tags in deployed.mlflow_tags("digits"))
    good = deployed.prefect(*ON_DEMAND, 'methods=["random"]', "--param", "levels=[0.8]")
    assert good.returncode == 0, good.stdout + good.stderr
    results = deployed.folder / ".worktrees/on-demand/results/digits"
    assert [path.name for path in (results / "prune").iterdir()] == ["random"]
    assert all((deployed.folder / name).read_text().endswith(BROKEN) for name in EDITED)
    narrowed = deployed.mlflow_tags("digits.narrowed")
    assert "prune@digits-random-0" in {tags["dvc_stage"] for tags in narrowed}
    assert {tags["narrowed"] for tags in narrowed} == {'{"levels": [0.8], "methods": ["random"]}'}
    assert sorted(tags["dvc_hash"] for tags in deployed.mlflow_tags("digits")) == standard


def test_a_run_that_was_ended_with_it_is_told_of_and_a_later_one_refuses_wrong_parameters(
    deployed: Deployed, scheduled: dict
) -> None:
    assert deployed.prefect("deployment", "run", "experiment/smoke").returncode == 0
    assert within(60, lambda: deployed.runs("smoke", "Running"))
    deployed.end()
    for name in EDITED:
        run(deployed.folder, "git", "checkout", name)
    deployed.start()
    (lost,) = deployed.runs("smoke", "Crashed")
    assert lost["state"]["message"] == "what ran it was ended; the next run goes on from there"
    bad = deployed.prefect(*ON_DEMAND, 'methods=["best"]')
    assert bad.returncode != 0
    (failed,) = deployed.runs("on-demand", "Failed")
    assert re.search("digits has no method 'best'; it has: cqp, magnitude", failed["state"]["message"])


def test_a_taken_port_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 1
    assert f"error: port {port} of 127.0.0.1 is in use by another program" in capsys.readouterr().err


def test_data_named_by_a_relative_path_is_found_from_a_worktree(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("SNN_DATA_DIR", "my/data")
    assert environment_of(tmp_path, "http://127.0.0.1:1")["SNN_DATA_DIR"] == str(tmp_path / "my/data")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, "sqlite:///{cwd}/mlruns/mlflow.db"),
        ("", "sqlite:///{cwd}/mlruns/mlflow.db"),
        ("sqlite:///mlruns/mine.db", "sqlite:///{cwd}/mlruns/mine.db"),
        ("http://host:5000", "http://host:5000"),
        ("postgresql+psycopg://host/mlflow", "postgresql+psycopg://host/mlflow"),
    ],
)
def test_scheduled_runs_show_their_results_where_the_project_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, kept: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    if given is not None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    assert environment_of(Path.cwd(), "http://127.0.0.1:1")["MLFLOW_TRACKING_URI"] == kept.format(cwd=tmp_path)
