"""What a stage cost is in its run, whenever that is logged, and in no result."""

from pathlib import Path

import pytest

from flows.engine.cost import MIB, Cost
from flows.engine.lockfile import key_of, read_lock
from flows.run import run_experiment
from flows.tracking import costs
from flows.tracking.costs import KeptCost
from flows.tracking.replay import track
from flows.tracking.tracking import Tracking
from tests.flows.conftest import dvc
from tests.flows.tracking.conftest import named, search

COST = Cost(12.5, 20.25, 300 * MIB, "host-7")
METRICS = {"cost/wall_seconds": 12.5, "cost/cpu_seconds": 20.25, "cost/peak_memory_mib": 300.0}


def test_a_run_shows_what_its_stage_cost_and_where(project: Path) -> None:
    entry = read_lock(project)["compare@tiny"]
    tracking = Tracking(project, print)
    tracking.keep_cost(key_of(entry), COST)
    tracking.log("compare@tiny", entry)
    data = named(project, "compare").data
    assert METRICS.items() <= data.metrics.items()
    assert data.metrics["dense/accuracy"] == 0.9
    assert (data.tags["cost_host"], data.tags["cost_threads"]) == ("host-7", "1")


def test_what_could_not_be_logged_then_shows_it_later(project: Path) -> None:
    """As with a server that was down: the cost is kept beside the store."""
    entry = read_lock(project)["evaluate@tiny"]
    Tracking(project, print).keep_cost(key_of(entry), COST)
    track()
    assert METRICS.items() <= named(project, "evaluate").data.metrics.items()
    with_cost = [run for run in search(project) if "cost/wall_seconds" in run.data.metrics]
    assert [run.info.run_name for run in with_cost] == [
        "evaluate"
    ]  # not the nets' own runs, and nothing without a cost


def test_a_peak_that_is_not_known_is_left_out() -> None:
    assert KeptCost(1.0, 2.0, None, "h", 4).metrics == {"cost/wall_seconds": 1.0, "cost/cpu_seconds": 2.0}


def test_the_first_cost_of_a_result_stays_and_a_damaged_file_is_none(tmp_path: Path) -> None:
    costs.keep(tmp_path, "k", COST, 2)
    costs.keep(tmp_path, "k", Cost(1.0, 1.0, None, "h"), 2)
    assert costs.find(tmp_path, "k") == KeptCost(12.5, 20.25, 300 * MIB, "host-7", 2)
    assert costs.find(tmp_path, "other") is None
    for text in ("{", "[]", '{"wall_seconds": 1}'):
        (tmp_path / "costs/k.json").write_text(text)
        assert costs.find(tmp_path, "k") is None


def test_a_real_run_logs_it_for_each_stage_and_changes_no_result(
    fresh: Path, templates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.run.validate_params", lambda: None)
    done = run_experiment("tiny", 2, None, say=print, carry_out=lambda work, stage: work.bring_up(stage, print, {}))
    stages = [run for run in search(fresh) if "cost_host" in run.data.tags]
    assert {run.data.tags["dvc_stage"] for run in stages} == set(done)
    assert all(run.data.metrics["cost/wall_seconds"] > 0 for run in stages)
    assert read_lock(fresh) == read_lock(templates / "done")  # the hashes of all results, made without any of this
    assert "up to date" in dvc(fresh, "status", "report@tiny", "--with-deps")
