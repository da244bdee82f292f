"""A growing curve is seen in MLflow while its stage runs, and the run that shows it gives way to the result's."""

from contextlib import suppress
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from flows.engine.lockfile import read_lock
from flows.tracking.tracking import Tracking
from pipeline.io.paths import train_folder
from tests.flows.conftest import store_of
from tests.flows.tracking.conftest import log, search
from tests.processes import within

ADDRESS = "train@tiny-0"
CURVE = train_folder("tiny", 0) / "curve.csv"
OUTS = tuple(str(CURVE.with_name(name)) for name in ("model.safetensors", "curve.csv", "metrics.json"))


@pytest.fixture(autouse=True)
def whole(project: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The curve of the finished stage; looks at it come quickly."""
    monkeypatch.setattr("flows.tracking.tracking.INTERVAL", 0.05)
    return CURVE.read_text()


def runs(root: Path) -> list[Run]:
    return search(root, f"tags.dvc_stage = '{ADDRESS}'")


def statuses(root: Path) -> list[str]:
    return sorted(run.info.status for run in runs(root))


def curve_of(root: Path, run: Run) -> list[tuple[int, float]]:
    history = MlflowClient(store_of(root)).get_metric_history(run.info.run_id, "curve/loss")
    return [(point.step, point.value) for point in history]


def seen(root: Path, points: int) -> bool:
    return within(30, lambda: any(len(curve_of(root, run)) == points for run in runs(root)))


def test_points_come_while_the_stage_runs_and_the_result_takes_their_place(project: Path, whole: str) -> None:
    tracking = Tracking(project, print)
    with tracking.follow(ADDRESS, OUTS, {"prefect_task_run": "t"}):
        CURVE.write_text("epoch,loss\n1,0.75\n2,0.")  # its last line is only half there
        assert seen(project, 1)
        (growing,) = runs(project)
        assert (growing.info.status, growing.info.run_name) == ("RUNNING", "train/seed0")
        assert (growing.data.tags["current"], growing.data.tags["prefect_task_run"]) == ("false", "t")
        CURVE.write_text(whole)
        assert seen(project, 2)
    page = tracking.log(ADDRESS, read_lock(project)[ADDRESS])
    (result,) = runs(project)
    assert result.info.run_id == page != growing.info.run_id
    assert result.info.status == "FINISHED"
    assert curve_of(project, result) == [(1, 0.75), (2, 0.25)]


def test_an_old_curve_is_not_taken_for_a_new_one(project: Path) -> None:
    with Tracking(project, print).follow(ADDRESS, OUTS, {}):
        assert not within(0.5, lambda: bool(runs(project)))


def test_a_stage_that_fails_leaves_one_failed_run_until_it_succeeds(project: Path, whole: str) -> None:
    for _ in range(2):
        with suppress(RuntimeError), Tracking(project, print).follow(ADDRESS, OUTS, {}):
            CURVE.write_text("epoch,loss\n1,0.5\n")
            assert within(30, lambda: statuses(project) == ["RUNNING"])
            raise RuntimeError
        assert statuses(project) == ["FAILED"]
    CURVE.write_text(whole)
    log(project, ADDRESS)
    assert statuses(project) == ["FINISHED"]


@pytest.mark.parametrize("was_logged", [False, True])
def test_what_a_killed_flow_followed_is_deleted_by_the_next(project: Path, whole: str, was_logged: bool) -> None:
    if was_logged:
        log(project)
    with Tracking(project, print).follow(ADDRESS, OUTS, {}):
        CURVE.write_text("epoch,loss\n1,0.5\n")
        assert seen(project, 1)
    CURVE.write_text(whole)
    assert "RUNNING" in statuses(project)
    log(project, ADDRESS)
    assert statuses(project) == ["FINISHED"]


@pytest.mark.parametrize("fails", [False, True])
def test_a_growing_run_that_somebody_deletes_costs_nothing_but_that_run(project: Path, whole: str, fails: bool) -> None:
    lines: list[str] = []
    tracking = Tracking(project, lines.append)
    with suppress(RuntimeError), tracking.follow(ADDRESS, OUTS, {}):
        CURVE.write_text("epoch,loss\n1,0.5\n")
        assert seen(project, 1)
        MlflowClient(store_of(project)).delete_run(runs(project)[0].info.run_id)
        if fails:
            raise RuntimeError
        CURVE.write_text("epoch,loss\n1,0.5\n2,0.4\n")
        assert seen(project, 1)
    CURVE.write_text(whole)
    assert tracking.log(ADDRESS, read_lock(project)[ADDRESS]) is not None
    assert statuses(project) == ["FINISHED"]
    assert lines == []


def test_a_server_that_is_down_costs_one_line(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    lines: list[str] = []
    with Tracking(project, lines.append).follow(ADDRESS, OUTS, {}):
        CURVE.write_text("epoch,loss\n1,0.5\n")
        assert within(60, lambda: bool(lines))
        CURVE.write_text("epoch,loss\n1,0.5\n2,0.4\n")
    assert len(lines) == 1
