"""The saved views name what the project's own results have, and a user's changes to them stay."""

import json
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.utils.validation import MAX_EXPERIMENT_TAG_VAL_LENGTH

from flows.lockfile import read_lock
from flows.mlflow_views import COLOURS, NOTE_TAG, VIEW_TAG, VIEWS, View, colour_tag, experiment_tags, link
from flows.results import Part, place_of, read_result
from flows.tracking import main
from pipeline.report import style
from tests.flows.conftest import store_of
from tests.imports import PROJECT

# A stage of the default experiment whose result each view shows, as a whole or its levels.
SHOWN = {"sparsity": "prune@digits-cqp-0", "level": "prune@digits-cqp-0", "energy": "energy@digits"}
SHOWN |= {"training": "train@digits-0"}
WHOLE = ("sparsity", "training")


def state_of(key: str) -> dict[str, Any]:
    return json.loads(json.loads(experiment_tags("1")[f"{VIEW_TAG}{key}"])["state"])


def parts_of(view: View) -> list[Part]:
    address = SHOWN[view.key]
    entry = read_lock(PROJECT)[address]
    result = read_result(PROJECT, place_of(entry), entry)
    return [result.whole] if view.key in WHOLE else result.levels


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.key)
def test_charts_and_columns_name_what_results_have(view: View) -> None:
    state = state_of(view.key)
    charts = state["compareRunCharts"]
    metrics = {chart["metricKey"] for chart in charts if "metricKey" in chart}
    metrics |= {chart["selectedXAxisMetricKey"] for chart in charts if chart.get("selectedXAxisMetricKey")}
    metrics |= {chart[axis]["key"] for chart in charts if "xaxis" in chart for axis in ("xaxis", "yaxis")}
    columns = [column.split(".", 1) for column in state["selectedColumns"]]
    metrics |= {name.strip("`") for kind, name in columns if kind == "metrics"}
    params = {name.strip("`") for kind, name in columns if kind == "params"}
    params |= {key["groupByData"] for key in (state["groupBy"] or {"groupByKeys": []})["groupByKeys"]}
    parts = parts_of(view)
    assert parts and metrics
    for part in parts:
        assert metrics <= {point.name for point in part.points}
        assert params <= part.params.keys()


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.key)
def test_its_filter_finds_these_runs(view: View, project: Path) -> None:
    """The search is one that MLflow understands, and what is shown by the tiny project is found by it."""
    main([])
    client = MlflowClient(store_of(project))
    query = state_of(view.key)["searchFilter"].replace("'0.90'", "'0.50'")
    found = {run.info.run_name for run in client.search_runs(["1"], query)}
    expected = {
        "sparsity": {"prune/cqp/seed0", "prune/magnitude/seed0"},
        "level": {"cqp@0.50/seed0", "magnitude@0.50/seed0"},
        "energy": set(),  # the tiny project has no such study
        "training": {"train/seed0"},
    }
    assert found == expected[view.key]


def test_the_tags_are_short_enough_and_the_description_links_each_view() -> None:
    tags = experiment_tags("7")
    assert all(len(value) <= MAX_EXPERIMENT_TAG_VAL_LENGTH for value in tags.values())
    first_line = tags[NOTE_TAG].splitlines()[0]  # all that is seen of it while it is folded
    assert all(f"[{view.name}]({link('7', view.key)})" in first_line for view in VIEWS)


def test_colours_are_those_of_the_figures() -> None:
    assert {name: colour for name, colour in COLOURS.items() if name != "dense"} == style.COLOURS
    assert colour_tag({"method": "cqp"}) == {"mlflow.runColor": style.COLOURS["cqp"]}
    assert colour_tag({"method": "smallest"}) == colour_tag({}) == {}


def test_what_a_user_has_changed_stays(project: Path) -> None:
    main([])
    client = MlflowClient(store_of(project))
    experiment = client.get_experiment_by_name("tiny")
    assert experiment.tags.items() >= experiment_tags(experiment.experiment_id).items()
    client.set_experiment_tag(experiment.experiment_id, NOTE_TAG, "mine")
    client.delete_experiment_tag(experiment.experiment_id, f"{VIEW_TAG}energy")
    main([])
    tags = client.get_experiment_by_name("tiny").tags
    assert tags[NOTE_TAG] == "mine"
    assert f"{VIEW_TAG}energy" in tags  # what is missing comes back
