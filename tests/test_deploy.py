"""`make deploy` for real: a cron schedule that fires in a worktree, a run on demand, and nothing left behind."""

import os
import re
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

from tests.imports import PROJECT
from tests.tiny import environment, make_repository, run

pytestmark = pytest.mark.slow

MARK = "DEPLOY_MARK"
EDIT = "\n# a person is editing: this is not YAML }{\n"


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
    """A repository whose nightly deployment is due every minute, and the address of its server."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self.command = [sys.executable, "-m", "flows.deploy", "--port", str(port)]
        self.mark = f"{folder}:{port}"
        self.environment = {**environment(folder), MARK: self.mark, "PREFECT_API_URL": f"{self.url}/api"}

    def runs(self, deployment: str, state: str) -> list[dict]:
        query = {"deployments": {"name": {"any_": [deployment]}}, "flow_runs": {"state": {"name": {"any_": [state]}}}}
        return requests.post(f"{self.url}/api/flow_runs/filter", json=query, timeout=30).json()

    def prefect(self, *arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "prefect", *arguments]
        return subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = make_repository(tmp_path_factory.mktemp("deploy") / "project")
    yaml = (PROJECT / "prefect.yaml").read_text().replace("experiment: mnist", "experiment: digits")
    (folder / "prefect.yaml").write_text(yaml.replace('cron: "0 2 * * *"', 'cron: "* * * * *"'))
    run(folder, "git", "add", ".")
    run(folder, "git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "every minute")
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = Deployed(folder, port)
    with (folder / "params.yaml").open("a") as params:
        params.write(EDIT)
    with (folder / "deploy.log").open("wb") as log:
        process = subprocess.Popen(found.command, cwd=folder, env=found.environment, stdout=log, stderr=log)
    up = within(150, lambda: "up: " in (folder / "deploy.log").read_text() or process.poll() is not None)
    assert up and process.poll() is None, (folder / "deploy.log").read_text()
    yield found
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=30)
    left = within(5, lambda: not processes(found.mark))
    assert left, [process.cmdline() for process in processes(found.mark)]
    assert process.returncode == 0


def test_the_deployments_are_there_and_a_second_deploy_says_it_is_up(deployed: Deployed) -> None:
    listed = deployed.prefect("deployment", "ls").stdout
    assert {name for name in ("nightly", "on-demand", "smoke") if f"experiment/{name}" in listed} == {
        "nightly",
        "on-demand",
        "smoke",
    }
    second = subprocess.run(
        deployed.command, cwd=deployed.folder, env=deployed.environment, capture_output=True, text=True
    )
    assert second.returncode == 0
    assert second.stdout.startswith(f"already up: {deployed.url}")


def test_a_cron_schedule_fires_and_finishes_in_a_worktree_while_a_person_edits(deployed: Deployed) -> None:
    assert within(240, lambda: deployed.runs("nightly", "Completed") or deployed.runs("nightly", "Failed"))
    (first, *_) = deployed.runs("nightly", "Completed")
    assert first["auto_scheduled"]
    assert not deployed.runs("nightly", "Failed")
    folder = deployed.folder
    assert (folder / "params.yaml").read_text().endswith(EDIT)
    assert not (folder / "results").exists()
    assert (folder / ".worktrees/nightly/results/digits/report/index.html").is_file()
    client = MlflowClient(f"sqlite:///{folder / 'mlruns/mlflow.db'}")
    experiment = client.get_experiment_by_name("digits")
    runs = client.search_runs([experiment.experiment_id], "tags.current = 'true'")
    assert {"data", "train/seed0", "compare"} <= {run.info.run_name for run in runs}
    assert first["id"] in {run.data.tags["prefect_flow_run"] for run in runs}
    assert experiment.artifact_location == (folder / "mlruns/artifacts/digits").as_uri()


def test_what_a_scheduled_run_made_a_person_gets_from_the_cache(deployed: Deployed) -> None:
    folder = deployed.folder
    assert within(240, lambda: deployed.runs("nightly", "Completed"))
    text = (folder / "params.yaml").read_text()
    try:
        (folder / "params.yaml").write_text(text.removesuffix(EDIT))
        output = run(folder, "dvc", "repro", "train@digits-0")
    finally:
        (folder / "params.yaml").write_text(text)
    assert "Stage 'train@digits-0' is cached" in output
    assert (folder / "results/digits/train/seed0/model.safetensors").is_file()


def test_a_run_on_demand_takes_parameters_and_refuses_wrong_ones(deployed: Deployed) -> None:
    run_it = ("deployment", "run", "experiment/on-demand", "--watch", "--param")
    good = deployed.prefect(*run_it, 'methods=["magnitude"]', "--param", "seeds=[7]", "--param", "levels=[0.8]")
    assert good.returncode == 0, good.stdout + good.stderr
    results = deployed.folder / ".worktrees/on-demand/results/digits"
    assert [path.name for path in (results / "prune").iterdir()] == ["magnitude"]
    assert [path.name for path in (results / "prune/magnitude").iterdir()] == ["seed7"]
    bad = deployed.prefect(*run_it, 'methods=["best"]')
    assert bad.returncode != 0
    (failed,) = deployed.runs("on-demand", "Failed")
    assert re.search("digits has no method 'best'; it has: cqp, magnitude", failed["state"]["message"])
    assert os.environ.get("PREFECT_API_URL") is None
