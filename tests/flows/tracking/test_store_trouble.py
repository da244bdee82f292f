"""A store that is down, refuses, is full, held or half made: one line or a store made anew, and never a lost result."""

import json
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from filelock import FileLock
from mlflow import MlflowClient

from flows.engine.lockfile import read_lock
from flows.environment import stage_environment
from flows.tracking.ledger import find_logged
from flows.tracking.replay import track
from flows.tracking.store import ERRORS, Store
from flows.tracking.ui import open_ui
from pipeline.results.place import place_of
from snnprune.core.errors import UserError
from tests.flows.tracking.conftest import RUNS, STAGES, log, search
from tests.processes import free_port


def line_of(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that `snnprune track` prints; it has written an empty receipt, and ends well."""
    capsys.readouterr()
    track(receipt=Path("receipt.json"))
    assert Path("receipt.json").read_text() == "{}\n"
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("tracking: MLflow cannot be used (")
    assert line.endswith("); the results are kept, run `snnprune track` later")
    return line


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("http://127.0.0.1:9", "API request to http://127.0.0.1:9"),
        ("postgresql+pg8000://127.0.0.1:9/mlflow", "No module named 'pg8000'"),
    ],
)
def test_an_unreachable_server_and_a_missing_driver_cost_one_line(
    project: Path, uri, reason, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert reason in line_of(capsys)


def test_a_server_that_goes_away_in_between_is_an_error_of_the_store(project: Path, monkeypatch) -> None:
    store, entry = Store(project), read_lock(project)["data@tiny"]
    monkeypatch.setattr(store, "_client", MlflowClient("http://127.0.0.1:9"))
    with pytest.raises(ERRORS, match=r"127\.0\.0\.1"):
        store.log("data@tiny", place_of(out["path"] for out in entry["outs"]), entry)


class FullServer(BaseHTTPRequestHandler):
    """An MLflow server with one experiment and one run that accepts everything but files."""

    def do_POST(self) -> None:
        info = {"run_id": "run", "experiment_id": "1", "status": "RUNNING", "artifact_uri": "mlflow-artifacts:/1/run"}
        experiment = {"experiment_id": "1", "name": "tiny", "lifecycle_stage": "active"}
        run = {"run": {"info": info}}
        answers = {"experiments/get-by-name": {"experiment": experiment}, "runs/create": run, "runs/get": run}
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(403 if self.command == "PUT" else 200)
        self.end_headers()
        called = self.path.partition("?")[0].rpartition("/mlflow/")[2]
        self.wfile.write(json.dumps(answers.get(called, {})).encode())

    do_GET = do_PUT = do_POST

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def full_server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), FullServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_server_that_refuses_files_costs_one_line(project: Path, full_server: str, monkeypatch, capsys) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", full_server)
    assert "403 Client Error" in line_of(capsys)


@pytest.mark.parametrize("name", ["mlruns", "mlruns/artifacts", "mlruns/mlflow.db"])
def test_a_store_that_cannot_be_written_costs_one_line(project: Path, name: str, capsys) -> None:
    if name == "mlruns":
        shutil.rmtree(project / name)
    (project / name).write_bytes(b"a file that is no store" * 100)
    line_of(capsys)


def test_a_store_that_somebody_holds_for_too_long_or_that_was_moved_costs_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("flows.tracking.store.LOCK_SECONDS", 0.1)
    with FileLock(project / "mlruns/tracking.lock"):
        assert "lock" in line_of(capsys)
    log(project, "data@tiny")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.chdir(shutil.copytree(project, project.with_name("moved")))
    there = rf"was moved or copied from {(project / 'mlruns/artifacts/tiny').as_uri()}; remove mlruns/ to start anew"
    assert there in line_of(capsys)
    with pytest.raises(UserError, match=re.escape(there)):
        open_ui(free_port())
    assert find_logged(Path("mlruns/mlflow.db"), "tiny", "data@tiny") is None  # nor is the ledger's word taken


@pytest.mark.parametrize("letter", "?%")
def test_a_folder_whose_name_mlflow_misreads_is_named_and_nothing_is_written_beside_it(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], letter: str
) -> None:
    odd = project.rename(project.with_name(f"a{letter}41 #'\"b"))
    monkeypatch.chdir(odd)
    beside = set(odd.parent.iterdir())
    assert f"MLflow misreads {letter} in a path" in line_of(capsys)
    with pytest.raises(UserError, match="rename the folder"):
        open_ui(free_port())
    assert set(odd.parent.iterdir()) == beside


@pytest.mark.parametrize("name", ["a #'\"\n b", "a:b;[c]*$HOME", "~ü`x`"])
def test_any_other_name_of_a_folder_will_do(project: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    odd = project.rename(project.with_name(name))
    monkeypatch.chdir(odd)
    beside = set(odd.parent.iterdir())
    track()
    assert (odd / "mlruns/artifacts/tiny").is_dir()
    assert set(odd.parent.iterdir()) == beside


def test_four_processes_that_find_no_store_create_it_once_and_log_everything_once(project: Path) -> None:
    shutil.rmtree(project / "mlruns")
    command = [sys.executable, "-m", "flows.tracking.replay"]
    writers = [subprocess.Popen(command, env=stage_environment(), stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [writer.communicate()[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 4
    assert sum(int(line.split()[1]) for line in said) == len(STAGES)  # tracking: <n> results logged, ...
    assert sorted(run.info.run_name for run in search(project)) == RUNS
    assert {run.info.status for run in search(project)} == {"FINISHED"}


KILLED_WHILE_CREATING = """
import os
import signal
from pathlib import Path
from mlflow.store.db import utils
from flows.tracking import database
database.EMPTY = Path("there is none")
# The tables are made then, but not the note of their version.
utils._upgrade_db = lambda engine: os.kill(os.getpid(), signal.SIGKILL)
from flows.tracking.store import Store
Store(Path.cwd())
"""


def test_a_store_whose_making_was_killed_is_made_anew(project: Path) -> None:
    shutil.rmtree(project / "mlruns")
    killed = subprocess.run([sys.executable, "-c", KILLED_WHILE_CREATING], env=stage_environment(), check=False)
    assert killed.returncode == -signal.SIGKILL
    assert list((project / "mlruns").glob("*.unfinished*"))
    track()
    assert sorted(run.info.run_name for run in search(project)) == RUNS
    assert not list((project / "mlruns").glob("*.unfinished*"))
