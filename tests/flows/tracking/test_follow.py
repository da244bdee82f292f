"""A growing curve is seen in MLflow while its stage runs, and what shows it gives way to the result."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from flows import live
from flows.lockfile import read_lock
from flows.tracking import Tracking
from tests.flows.conftest import dvc, store_of
from tests.flows.test_guard import within

ADDRESS = "train@tiny-0"
FOLDER = "results/tiny/train/seed0"
OUTS = (f"{FOLDER}/model.safetensors", f"{FOLDER}/curve.csv", f"{FOLDER}/metrics.json")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(live, "INTERVAL", 0.05)
    yield


def runs(root: Path) -> list[Run]:
    client = MlflowClient(store_of(root))
    experiment = client.get_experiment_by_name("tiny")
    found = client.search_runs([experiment.experiment_id]) if experiment else []
    return [run for run in found if run.data.tags["dvc_stage"] == ADDRESS]


def curve_of(root: Path, run: Run) -> list[tuple[int, float]]:
    return [
        (point.step, point.value)
        for point in MlflowClient(store_of(root)).get_metric_history(run.info.run_id, "curve/loss")
    ]


def seen(root: Path, points: int) -> bool:
    return within(30, lambda: bool(found := runs(root)) and len(curve_of(root, found[0])) == points)


def test_points_come_while_the_stage_runs_and_the_result_takes_their_place(project: Path) -> None:
    curve = project / FOLDER / "curve.csv"
    whole = curve.read_text()
    tracking = Tracking(project, print)
    with tracking.following(ADDRESS, OUTS, {"prefect_task_run": "t"}):
        curve.write_text("epoch,loss\n1,0.75\n2,0.")  # its last line is only half there
        assert seen(project, 1)
        (growing,) = runs(project)
        assert (growing.info.status, growing.info.run_name) == ("RUNNING", "train/seed0")
        assert (growing.data.tags["current"], growing.data.tags["prefect_task_run"]) == ("false", "t")
        curve.write_text(whole)
        assert seen(project, 2)
    shown = tracking.track(ADDRESS, read_lock(project)[ADDRESS])
    (result,) = runs(project)
    assert result.info.run_id == shown != growing.info.run_id
    assert result.info.status == "FINISHED"
    assert curve_of(project, result) == [(1, 0.75), (2, 0.25)]


def test_an_old_curve_is_not_taken_for_a_new_one(project: Path) -> None:
    with Tracking(project, print).following(ADDRESS, OUTS, {}):
        assert not within(0.5, lambda: bool(runs(project)))


def test_a_stage_that_fails_leaves_one_failed_run_until_it_succeeds(project: Path) -> None:
    curve = project / FOLDER / "curve.csv"
    whole = curve.read_text()
    for _ in range(2):
        tracking = Tracking(project, print)
        with pytest.raises(RuntimeError), tracking.following(ADDRESS, OUTS, {}):
            curve.write_text("epoch,loss\n1,0.5\n")
            assert seen(project, 1)
            raise RuntimeError
        (failed,) = runs(project)
        assert failed.info.status == "FAILED"
    curve.write_text(whole)
    Tracking(project, print).track(ADDRESS, read_lock(project)[ADDRESS])
    (result,) = runs(project)
    assert result.info.status == "FINISHED"


def test_what_a_killed_flow_was_showing_is_cleared_by_the_next(project: Path) -> None:
    curve = project / FOLDER / "curve.csv"
    whole = curve.read_text()
    killed = Tracking(project, print)
    with killed.following(ADDRESS, OUTS, {}):
        curve.write_text("epoch,loss\n1,0.5\n")
        assert seen(project, 1)
        curve.write_text(whole)
    assert [run.info.status for run in runs(project)] == ["RUNNING"]
    Tracking(project, print).track(ADDRESS, read_lock(project)[ADDRESS])
    assert [run.info.status for run in runs(project)] == ["FINISHED"]


def test_what_a_killed_flow_was_showing_is_cleared_also_when_its_change_was_taken_back(project: Path) -> None:
    dvc(project, "repro", "-q", "track@tiny")
    curve = project / FOLDER / "curve.csv"
    whole = curve.read_text()
    with Tracking(project, print).following(ADDRESS, OUTS, {}):
        curve.write_text("epoch,loss\n1,0.5\n")
        assert within(30, lambda: len(runs(project)) == 2)
        curve.write_text(whole)
    Tracking(project, print).track(ADDRESS, read_lock(project)[ADDRESS], {"outcome": "unchanged"})
    assert [run.info.status for run in runs(project)] == ["FINISHED"]


@pytest.mark.parametrize("fails", [False, True])
def test_a_growing_run_that_somebody_deletes_costs_nothing_but_that_run(project: Path, fails: bool) -> None:
    curve, lines = project / FOLDER / "curve.csv", []
    whole = curve.read_text()
    tracking = Tracking(project, lines.append)
    with suppress(RuntimeError), tracking.following(ADDRESS, OUTS, {}):
        curve.write_text("epoch,loss\n1,0.5\n")
        assert seen(project, 1)
        MlflowClient(store_of(project)).delete_run(runs(project)[0].info.run_id)
        if fails:
            raise RuntimeError
        curve.write_text("epoch,loss\n1,0.5\n2,0.4\n")
        assert seen(project, 1)
    curve.write_text(whole)
    assert tracking.track(ADDRESS, read_lock(project)[ADDRESS]) is not None
    assert [run.info.status for run in runs(project)] == ["FINISHED"]
    assert lines == []


def test_a_server_that_is_down_costs_one_line(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    lines: list[str] = []
    curve = project / FOLDER / "curve.csv"
    with Tracking(project, lines.append).following(ADDRESS, OUTS, {}):
        curve.write_text("epoch,loss\n1,0.5\n")
        assert within(60, lambda: bool(lines))
        curve.write_text("epoch,loss\n1,0.5\n2,0.4\n")
    assert len(lines) == 1
