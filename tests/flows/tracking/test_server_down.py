"""MLflow's server is down while all stages run: nothing is lost, and one command logs everything when there is one."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from flows.engine.lockfile import key_of, read_lock
from flows.tracking.replay import track
from flows.tracking.tracking import Tracking
from scripts.mlflow_ui import serve
from tests.flows.tracking.conftest import RUNS, STAGES
from tests.processes import free_port

pytestmark = pytest.mark.slow


def test_all_results_are_kept_and_logged_by_one_command_when_it_is_back(
    project: Path, templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(project / "mlruns")
    uri = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    lines: list[str] = []
    tracking, entries = Tracking(project, lines.append), read_lock(project)
    tracking.prepare()
    for address, entry in entries.items():  # what the engine does
        with tracking.follow(address, [out["path"] for out in entry["outs"]], {}):
            pass
        assert tracking.log(address, entry, {"outcome": "ran"}) is None
    tracking.summarize()
    (line,) = lines
    assert uri in line and "`snnprune track`" in line
    assert not track()
    assert not (project / "mlruns/mlflow.db").exists()

    monkeypatch.chdir(shutil.copytree(templates / "store/mlruns", tmp_path / "server"))  # it keeps files there
    with serve(Path("mlflow.db").absolute()) as address:
        uri = address.rstrip("/")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        monkeypatch.chdir(project)
        for _ in range(2):  # the second time there is nothing left to log
            assert track()
        (found,) = [found for found in MlflowClient(uri).search_experiments() if found.name == "tiny"]
        runs = MlflowClient(uri).search_runs([found.experiment_id])
        page = Tracking(project, print).log("data@tiny", entries["data@tiny"])
    assert sorted(run.info.run_name for run in runs) == RUNS
    assert {run.info.status for run in runs} == {"FINISHED"}
    stages = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    keys = {address: key_of(entries[address]) for address in STAGES}
    assert {run.data.tags["dvc_stage"]: run.data.tags["dvc_hash"] for run in stages} == keys
    (data,) = [run.info.run_id for run in stages if run.info.run_name == "data"]
    assert page == f"{uri}/#/experiments/{found.experiment_id}/runs/{data}"
