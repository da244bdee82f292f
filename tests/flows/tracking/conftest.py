"""What the tiny project's results are in MLflow, and how to log and find them."""

from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from flows.engine.lockfile import read_lock
from flows.tracking.replay import track
from flows.tracking.tracking import Tracking
from tests.flows.conftest import enter, store_of

STAGES = {
    "data@tiny": "data",
    "train@tiny-0": "train/seed0",
    "prune@tiny-cqp-0": "prune/cqp/seed0",
    "prune@tiny-magnitude-0": "prune/magnitude/seed0",
    "evaluate@tiny": "evaluate",
    "study@tiny-layers": "study/layers",
    "compare@tiny": "compare",
    "report@tiny": "report",
}
NETS = ("dense/seed0", *(f"{method}@{level}/seed0" for method in ("cqp", "magnitude") for level in ("0.50", "0.995")))
SERIES = ("cqp/seed0", "magnitude/seed0")
RUNS = sorted([*STAGES.values(), *NETS, *SERIES])


@pytest.fixture(scope="session")
def tracked(templates: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose results are all in MLflow; only to be looked at."""
    root = tmp_path_factory.mktemp("tracked") / "project"
    with pytest.MonkeyPatch.context() as patched:
        enter(templates / "done", root, patched)
        track()
    return root


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
