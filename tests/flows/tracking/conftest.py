"""The tiny project's results, and a store that need not be migrated each time."""

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from flows.engine.lockfile import read_lock
from flows.environment import set_defaults
from flows.tracking.store import Store
from flows.tracking.tracking import Tracking
from tests.flows.tracking.tiny import make_project

set_defaults()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository with the tiny results and an empty migrated MLflow store; to be copied."""
    root = make_project(tmp_path_factory.mktemp("tiny") / "project")
    (root / "code.py").touch()
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.org"]
    for arguments in (["init", "-q"], ["add", "code.py", "dvc.lock"], ["commit", "-qm", "Start"]):
        subprocess.run([*git, *arguments], cwd=root, check=True)
    Store(root)
    return root


@pytest.fixture
def project(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it as the working folder."""
    return enter(tiny, tmp_path / "project", monkeypatch)


def enter(template: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy a project to `root` and make it the working folder."""
    shutil.copytree(template, root)
    monkeypatch.chdir(root)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow itself sets it
    return root


def store_of(root: Path) -> str:
    """The URI of the project's store."""
    return f"sqlite:///{root}/mlruns/mlflow.db"


def search(root: Path, query: str = "", experiment: str = "tiny") -> list[Run]:
    """The runs in the project's store."""
    client = MlflowClient(store_of(root))
    found = client.get_experiment_by_name(experiment)
    return client.search_runs([found.experiment_id], query) if found else []


def named(root: Path, name: str) -> Run:
    """The one run of that name."""
    (run,) = [run for run in search(root) if run.info.run_name == name]
    return run


def log(root: Path, *addresses: str) -> Tracking:
    """Log the results of these stages, or of all; what logged them."""
    tracking = Tracking(root, print)
    entries = read_lock(root)
    for address in addresses or entries:
        tracking.log(address, entries[address])
    tracking.summarize()
    return tracking


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Whether the condition comes true in that time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False
