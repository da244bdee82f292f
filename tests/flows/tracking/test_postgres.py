"""PostgreSQL by configuration alone: MLflow's and Prefect's runs are in the databases of scripts/postgres.sh."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.flows.tracking.conftest import RUNS
from tests.imports import PROJECT
from tests.tiny import run

pytestmark = pytest.mark.slow

SCRIPT = PROJECT / "scripts/postgres.sh"
FLOW = "from prefect import flow; flow(lambda: None, name='tiny')()"


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    """A running server; the variables that its script says to export."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))  # pytest's own folders are closed to other users
    try:
        printed = subprocess.run([SCRIPT, "start", folder], capture_output=True, text=True, check=True).stdout
        yield dict(line.removeprefix("export ").split("=", 1) for line in printed.splitlines())
    finally:
        subprocess.run([SCRIPT, "stop", folder], check=True)
        shutil.rmtree(folder)


def test_results_are_recorded_in_postgres_once_and_their_files_in_the_project(
    urls: dict[str, str], project: Path
) -> None:
    shutil.rmtree(project / "mlruns")
    run(project, "python", "-m", "flows.tracking.replay", **urls)
    first = recorded_runs(urls)
    assert sorted(name for name, *_ in first) == RUNS
    assert {status for _, status, _ in first} == {"FINISHED"}
    assert not (project / "mlruns/mlflow.db").exists()
    for *_, artifacts in first:
        assert artifacts.startswith((project / "mlruns/artifacts/tiny").as_uri())
    assert list((project / "mlruns/artifacts/tiny").rglob("curve.svg"))
    assert "0 results logged, 8 already there" in run(project, "python", "-m", "flows.tracking.replay", **urls)
    assert recorded_runs(urls) == first


def test_prefect_records_its_flows_there(urls: dict[str, str], project: Path) -> None:
    run(project, "python", "-c", FLOW, **urls)
    flows = rows(urls["PREFECT_SERVER_DATABASE_CONNECTION_URL"], "select state_type from flow_run")
    assert flows == [("COMPLETED",)]


def test_the_script_starts_a_server_once_and_names_wrong_use(urls: dict[str, str]) -> None:
    wrong = subprocess.run([SCRIPT, "restart", "/tmp"], capture_output=True, text=True)
    assert (wrong.returncode, wrong.stderr) == (1, "error: usage: scripts/postgres.sh start|stop FOLDER\n")
    (server,) = rows(urls["MLFLOW_TRACKING_URI"], "select current_setting('data_directory')")[0]
    again = subprocess.run([SCRIPT, "start", Path(server).parent], capture_output=True, text=True, check=True)
    assert urls["MLFLOW_TRACKING_URI"] in again.stdout


def recorded_runs(urls: dict[str, str]) -> list[tuple]:
    """Name, status and artifact location of every MLflow run."""
    return rows(urls["MLFLOW_TRACKING_URI"], "select name, status, artifact_uri from runs order by run_uuid")


def rows(url: str, query: str) -> list[tuple]:
    plain = url.replace("+psycopg", "").replace("+asyncpg", "")
    with psycopg.connect(plain) as connection:
        return connection.execute(query).fetchall()
