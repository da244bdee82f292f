"""The local store, looked into without MLflow: its runs are those MLflow tells, which is opened for new ones only."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from flows import local_store, narrowed
from flows.lockfile import Entry, key_of, read_lock
from flows.mlflow_store import Store, StoreError
from flows.results import place_of
from flows.stage_runs import StageRun
from flows.tracker import Tracker
from flows.tracking import Tracking, main
from pipeline import matrix
from tests.flows.conftest import dvc, store_of
from tests.flows.test_guard import within

ADDRESS = "train@tiny-0"
LEVELS = "prune@tiny-cqp-0"
WEIGHTS = Path("results/tiny/train/seed0/model.safetensors")


@pytest.fixture
def entries(project: Path) -> Mapping[str, Entry]:
    """Those with results."""
    return {address: entry for address, entry in read_lock(project).items() if place_of(entry)}


@pytest.fixture
def openings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Grows by one whenever MLflow opens the store."""
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


def client(project: Path) -> MlflowClient:
    return MlflowClient(store_of(project))


def other_result(entry: Entry) -> Entry:
    return {**entry, "cmd": "another"}


def delete_run(project: Path, entries: Mapping[str, Entry], run_id: str) -> None:
    client(project).delete_run(run_id)


def delete_experiment(project: Path, entries: Mapping[str, Entry], run_id: str) -> None:
    client(project).delete_experiment(client(project).get_run(run_id).info.experiment_id)


def take_current_away(project: Path, entries: Mapping[str, Entry], run_id: str) -> None:
    client(project).set_tag(run_id, "current", "false")


def replace_result(project: Path, entries: Mapping[str, Entry], run_id: str) -> None:
    Tracking(project, print).track(LEVELS, other_result(entries[LEVELS]))


def replace_result_and_be_killed(project: Path, entries: Mapping[str, Entry], run_id: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Store, "set_current", lambda *_: (_ for _ in ()).throw(StoreError("killed")))
        replace_result(project, entries, run_id)


def write_half(project: Path, entries: Mapping[str, Entry], run_id: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Store, "_fill", lambda *_: (_ for _ in ()).throw(StoreError("killed")))
        replace_result(project, entries, run_id)


def grow(project: Path, entries: Mapping[str, Entry], run_id: str) -> None:
    Tracker(project).show_growing(LEVELS, place_of(entries[LEVELS]), [], {})


def show_twice(project: Path, entries: Mapping[str, Entry], run_id: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Store, "runs_of", lambda *_: [])  # as if another clone wrote it at the same time, on a server
        Tracker(project).track(LEVELS, place_of(entries[LEVELS]), entries[LEVELS])


DISTURBANCES: list[Callable[[Path, Mapping[str, Entry], str], None]] = [
    delete_run,
    delete_experiment,
    take_current_away,
    replace_result,
    replace_result_and_be_killed,
    write_half,
    grow,
    show_twice,
]


@pytest.mark.parametrize("disturb", DISTURBANCES)
def test_whatever_happened_its_runs_are_those_that_mlflow_tells_and_are_put_right(
    project: Path, entries: Mapping[str, Entry], disturb: Callable[[Path, Mapping[str, Entry], str], None]
) -> None:
    run_id = show_all(project, entries)[LEVELS]
    disturb(project, entries, run_id)
    if disturb is not delete_experiment:  # MLflow's store brings it back when it is asked
        assert by_id(local_store.runs_of(project, "tiny", LEVELS)) == told_by_mlflow(project)
    assert main([]) == 0
    runs = local_store.runs_of(project, "tiny", LEVELS)
    assert by_id(runs) == told_by_mlflow(project)
    key = key_of(entries[LEVELS])
    assert len([run for run in runs if run.key == key and run.is_current and run.is_finished]) == 3  # with two levels
    assert [run for run in runs if run.key != key and (run.is_current or not run.is_finished)] == []
    assert len([run for run in runs if run.key == key]) == 3


def told_by_mlflow(project: Path) -> dict[str, StageRun]:
    return by_id([replace(run, model_ids=()) for run in Store(project).runs_of("tiny", LEVELS)])


def by_id(runs: list[StageRun]) -> dict[str, StageRun]:
    return {run.run_id: run for run in runs}


def test_what_is_shown_is_known_without_opening_mlflow(project: Path, entries, openings) -> None:
    runs = show_all(project, entries)
    assert len(openings) == 1
    assert show_all(project, entries) == runs
    assert main(["--experiment", "tiny", "--receipt", "receipt.json"]) == 0
    assert json.loads(Path("receipt.json").read_text()) == {name: key_of(entry) for name, entry in entries.items()}
    assert len(openings) == 1


@pytest.mark.parametrize("disturb", DISTURBANCES)
def test_what_is_disturbed_is_left_to_mlflow(project: Path, entries, openings, disturb) -> None:
    disturb(project, entries, show_all(project, entries)[LEVELS])
    openings.clear()
    show_all(project, entries)
    assert len(openings) == 1


def test_another_result_a_server_and_a_missing_or_broken_database_are_left_to_mlflow(
    project: Path, entries, openings, monkeypatch
) -> None:
    show_all(project, entries)
    Tracking(project, print).track(ADDRESS, other_result(entries[ADDRESS]))
    assert len(openings) == 2
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow sets it when it is opened
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert local_store.runs_of(project, "tiny", ADDRESS) == []
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert len(local_store.runs_of(project, "tiny", ADDRESS)) == 2
    (project / "mlruns/mlflow.db").write_bytes(b"no database")
    assert local_store.runs_of(project, "tiny", ADDRESS) == []
    (project / "mlruns/mlflow.db").unlink()
    assert local_store.runs_of(project, "tiny", ADDRESS) == []


def test_a_deleted_database_is_filled_again(project: Path, entries: Mapping[str, Entry]) -> None:
    dvc(project, "repro", "track@tiny")
    (project / "mlruns/mlflow.db").unlink()
    (project / "mlruns/tracked-tiny.json").unlink()
    assert "6 results logged, 0 already there" in dvc(project, "repro", "track@tiny")


def test_the_stage_of_dvc_has_nothing_left_to_log_after_the_flow(project: Path, entries) -> None:
    show_all(project, entries)
    assert "0 results logged, 6 already there" in dvc(project, "repro", "track@tiny")


def test_a_run_without_weights_is_written_again_when_they_are_here(project: Path, entries, openings) -> None:
    content = WEIGHTS.read_bytes()
    WEIGHTS.unlink()
    for _ in range(2):
        Tracking(project, print).track(ADDRESS, entries[ADDRESS])
    assert len(openings) == 1
    WEIGHTS.write_bytes(content)
    for _ in range(2):
        Tracking(project, print).track(ADDRESS, entries[ADDRESS])
    assert len(openings) == 2


def test_a_narrowed_run_does_not_take_the_standard_results_for_its_own(project: Path, entries, openings) -> None:
    show_all(project, entries)
    (project / narrowed.NOTE).write_text("{}")
    for _ in range(2):
        show_all(project, entries)
    assert len(openings) == 2


def test_the_store_is_opened_beside_what_runs(project: Path, entries, openings) -> None:
    tracking = Tracking(project, print)
    tracking.open_early()
    assert within(30, lambda: len(openings) == 1)
    tracking.track(ADDRESS, entries[ADDRESS])
    assert len(openings) == 1


def test_results_of_stages_that_are_no_more_are_not_shown(project: Path) -> None:
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("[cqp, magnitude]", "[cqp]"))
    assert matrix.update()
    assert main(["--receipt", "receipt.json"]) == 0
    assert set(json.loads(Path("receipt.json").read_text())) == {
        address for address in read_lock(project) if not address.startswith("prune@tiny-magnitude")
    }


def test_a_missing_list_of_stages_is_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("matrix.yaml").unlink()
    assert main([]) == 1
    assert capsys.readouterr().err == (
        "error: matrix.yaml, which lists the stages, was not found; `make matrix` makes it\n"
    )
