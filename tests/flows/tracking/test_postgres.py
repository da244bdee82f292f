"""PostgreSQL by configuration alone: MLflow's and Prefect's runs are in the databases of scripts/postgres.sh."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.imports import PROJECT
from tests.tiny import environment

pytestmark = pytest.mark.slow

STAGES = 7
MLFLOW_RUNS = 10  # one for each stage but track, and two levels for each of two prune stages
# The tiny project has neither the real params nor the real summary; everything else is the real command.
COMMAND = """\
import sys
from flows import experiment, prefect_flow
prefect_flow.validate_params = lambda: None
prefect_flow.comparison_markdown = experiment.comparison_text = lambda name: f"table of {name}"
sys.exit(experiment.main(["--experiment", "tiny", "--workers", "2"]))
"""
SCRIPT = PROJECT / "scripts/postgres.sh"


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


def test_a_flow_is_recorded_in_postgres_once(urls: dict[str, str], fresh: Path) -> None:
    shutil.rmtree(fresh / "mlruns")
    assert f"{STAGES} stages: {STAGES} ran" in experiment(fresh, urls)
    first = recorded_runs(urls)
    assert len(first) == MLFLOW_RUNS
    assert {status for _, status, _ in first} == {"FINISHED"}
    assert not (fresh / "mlruns/mlflow.db").exists()
    for _, _, artifacts in first:
        assert artifacts.startswith((fresh / "mlruns/artifacts/tiny").as_uri())
    assert list((fresh / "mlruns/artifacts/tiny").rglob("curve.svg"))

    assert f"{STAGES} stages: {STAGES} unchanged" in experiment(fresh, urls)
    assert recorded_runs(urls) == first
    flows = rows(urls["PREFECT_SERVER_DATABASE_CONNECTION_URL"], "select name, state_type from flow_run")
    assert flows == [("tiny", "COMPLETED")] * 2
    tasks = rows(
        urls["PREFECT_SERVER_DATABASE_CONNECTION_URL"],
        "select state_name, count(*) from task_run group by state_name order by state_name",
    )
    assert tasks == [("Ran", STAGES), ("Unchanged", STAGES)]


def test_the_script_starts_a_server_once_and_names_wrong_use(urls: dict[str, str]) -> None:
    wrong = subprocess.run([SCRIPT, "restart", "/tmp"], capture_output=True, text=True)
    assert (wrong.returncode, wrong.stderr) == (1, "error: usage: scripts/postgres.sh start|stop FOLDER\n")
    (server,) = rows(urls["MLFLOW_TRACKING_URI"], "select current_setting('data_directory')")[0]
    again = subprocess.run([SCRIPT, "start", Path(server).parent], capture_output=True, text=True, check=True)
    assert urls["MLFLOW_TRACKING_URI"] in again.stdout


def experiment(project: Path, urls: dict[str, str]) -> str:
    """What the flow printed; it fails the test when it fails."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND],
        cwd=project,
        env=environment(project) | urls,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def recorded_runs(urls: dict[str, str]) -> list[tuple]:
    """Id, status and artifact location of every MLflow run."""
    return rows(urls["MLFLOW_TRACKING_URI"], "select run_uuid, status, artifact_uri from runs order by run_uuid")


def rows(url: str, query: str) -> list[tuple]:
    plain = url.replace("+psycopg", "").replace("+asyncpg", "")
    with psycopg.connect(plain) as connection:
        return connection.execute(query).fetchall()
