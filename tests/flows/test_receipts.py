"""Receipts: what the local store shows is not asked of it again, and no receipt tells of what is not there."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from flows import narrowed
from flows.lockfile import Entry, key_of, read_lock
from flows.mlflow_store import Store, StoreError
from flows.results import place_of
from flows.tracking import Tracking, main
from tests.flows.conftest import dvc

ADDRESS = "train@tiny-0"


@pytest.fixture
def entries(project: Path) -> Mapping[str, Entry]:
    """Those with results."""
    return {address: entry for address, entry in read_lock(project).items() if place_of(entry)}


@pytest.fixture
def openings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Grows by one whenever the store is opened."""
    seen: list[Path] = []
    opened = Store.__init__

    def see(store: Store, root: Path) -> None:
        seen.append(root)
        opened(store, root)

    monkeypatch.setattr(Store, "__init__", see)
    return seen


def show_all(project: Path, entries: Mapping[str, Entry]) -> dict[str, str | None]:
    tracking = Tracking(project, print)
    return {address: tracking.track(address, entry, {"outcome": "ran"}) for address, entry in entries.items()}


def test_what_a_flow_has_shown_is_known_without_opening_the_store(project: Path, entries, openings) -> None:
    runs = show_all(project, entries)
    assert len(openings) == 1
    assert show_all(project, entries) == runs
    assert main(["--experiment", "tiny", "--receipt", "receipt.json"]) == 0
    assert json.loads(Path("receipt.json").read_text()) == {name: key_of(entry) for name, entry in entries.items()}
    assert len(openings) == 1


def test_the_stage_of_dvc_has_nothing_left_to_open_after_the_flow(project: Path, entries, openings) -> None:
    show_all(project, entries)
    (project / "mlruns/mlflow.db").write_bytes(b"not to be opened")
    assert "0 results logged, 6 already there" in dvc(project, "repro", "track@tiny")


def test_showing_all_again_asks_the_store(project: Path, entries, openings) -> None:
    runs = show_all(project, entries)
    Tracking(project, print)._use(lambda tracker: tracker._store._client.delete_run(runs[ADDRESS]))
    openings.clear()
    assert main([]) == 0
    assert len(openings) == 1
    assert show_all(project, entries)[ADDRESS] != runs[ADDRESS]


def test_a_changed_result_a_server_and_a_missing_database_are_asked(project: Path, entries, openings, monkeypatch):
    show_all(project, entries)
    Tracking(project, print).track(ADDRESS, {**entries[ADDRESS], "cmd": "another"})
    assert len(openings) == 2
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow sets it when it is opened
    (project / "mlruns/mlflow.db").unlink()
    Tracking(project, print).track("data@tiny", entries["data@tiny"])
    assert len(openings) == 3
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    Tracking(project, print).track("data@tiny", entries["data@tiny"])
    assert len(openings) == 4


def test_a_result_without_its_weights_is_asked_for_until_they_are_here(project: Path, entries, openings) -> None:
    weights = project / "results/tiny/train/seed0/model.safetensors"
    content = weights.read_bytes()
    weights.unlink()
    for _ in range(2):
        Tracking(project, print).track(ADDRESS, entries[ADDRESS])
    weights.write_bytes(content)
    for _ in range(2):
        Tracking(project, print).track(ADDRESS, entries[ADDRESS])
    assert len(openings) == 3


def test_a_change_that_is_cut_off_leaves_no_receipt(project: Path, entries, openings, monkeypatch) -> None:
    tracking = Tracking(project, print)
    tracking.track(ADDRESS, entries[ADDRESS])
    with monkeypatch.context() as patched:
        patched.setattr(Store, "set_current", lambda *_: (_ for _ in ()).throw(StoreError("cut off")))
        tracking.track(ADDRESS, {**entries[ADDRESS], "cmd": "another"})
    openings.clear()
    Tracking(project, print).track(ADDRESS, entries[ADDRESS])
    assert len(openings) == 1


def test_a_narrowed_run_has_receipts_of_its_own(project: Path, entries, openings) -> None:
    show_all(project, entries)
    (project / narrowed.NOTE).write_text("{}")
    for _ in range(2):
        show_all(project, entries)
    assert len(openings) == 2


def test_the_store_is_opened_beside_what_runs(project: Path, entries, openings) -> None:
    tracking = Tracking(project, print)
    tracking.open_early()
    tracking.track(ADDRESS, entries[ADDRESS])
    assert len(openings) == 1
