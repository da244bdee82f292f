"""MLflow's server is down while a whole flow runs: nothing is lost, and one command shows all when it is back."""

import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from mlflow import MlflowClient

from flows.lockfile import key_of, read_lock
from tests.flows.test_guard import within
from tests.ports import free_port
from tests.tiny import environment

pytestmark = pytest.mark.slow

STAGES = 7
# The tiny project has neither the real params nor the real summary; everything else is the real command.
COMMAND = """\
import sys
from flows import experiment
experiment.validate_params = lambda: None
experiment.comparison_text = lambda name: f"table of {name}"
sys.exit(experiment.main(["--experiment", "tiny", "--local", "--workers", "2"]))
"""


def test_all_results_are_kept_and_shown_by_one_command_when_it_is_back(
    fresh: Path, templates: Path, tmp_path: Path
) -> None:
    shutil.rmtree(fresh / "mlruns")
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    environment_of_all = environment(fresh) | {"MLFLOW_TRACKING_URI": uri}
    done = subprocess.run(
        [sys.executable, "-c", COMMAND], cwd=fresh, env=environment_of_all, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{STAGES} stages: {STAGES} ran" in done.stdout
    told = [line for line in done.stdout.splitlines() if "make track" in line]
    assert told and all(uri in line for line in told)
    assert not (fresh / "mlruns/mlflow.db").exists()

    with server(port, templates / "store", tmp_path / "server"):
        for _ in range(2):  # what `make track` runs; the second time there is nothing left to show
            subprocess.run([sys.executable, "-m", "flows.tracking"], cwd=fresh, env=environment_of_all, check=True)
        (shown,) = [found for found in MlflowClient(uri).search_experiments() if found.name == "tiny"]
        runs = MlflowClient(uri).search_runs([shown.experiment_id])
    entries = {address: key_of(entry) for address, entry in read_lock(fresh).items() if address != "track@tiny"}
    stages = [run.data.tags for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert {tags["dvc_stage"]: tags["dvc_hash"] for tags in stages} == entries
    assert len(stages) == len(entries)
    assert {run.info.status for run in runs} == {"FINISHED"}


@contextmanager
def server(port: int, store: Path, folder: Path) -> Iterator[None]:
    """A real MLflow server over a copy of an empty store."""
    shutil.copytree(store, folder)
    backend = f"sqlite:///{folder}/mlruns/mlflow.db"
    options = ["--workers", "1", "--host", "127.0.0.1", "--port", str(port), "--artifacts-destination", str(folder)]
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", backend, *options]
    log = folder / "server.log"
    with log.open("wb") as output:
        started = environment(folder) | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        process = subprocess.Popen(
            command, env=started, cwd=folder, stdout=output, stderr=output, start_new_session=True
        )
    try:
        assert within(120, lambda: _answers(port) or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # it has started processes of its own
        process.wait()


def _answers(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
        return True
    return False
