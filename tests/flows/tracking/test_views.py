"""The saved views find the runs that they show, which have what they draw; a user's changes to them stay."""

import json
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.utils.validation import MAX_EXPERIMENT_TAG_VAL_LENGTH

from flows.tracking.replay import track
from flows.tracking.views import NOTE_TAG, VIEW_TAG, colour_tag, experiment_tags, link, page
from pipeline.report.style import look
from tests.flows.conftest import store_of
from tests.flows.tracking.conftest import NETS, SERIES, search

FOUND = {
    "sparsity": set(SERIES),
    "saved": set(SERIES),
    "level": {"cqp@0.50/seed0", "magnitude@0.50/seed0"},
    "energy": set(NETS),
    "training": {"train/seed0"},
}


@pytest.mark.parametrize("key", page()["views"])
def test_a_view_finds_its_runs_which_have_what_it_draws(key: str, tracked: Path) -> None:
    state = state_of(key)
    charts = state["compareRunCharts"]
    metrics = {chart["metricKey"] for chart in charts if "metricKey" in chart}
    metrics |= {chart["selectedXAxisMetricKey"] for chart in charts if chart.get("selectedXAxisMetricKey")}
    metrics |= {chart[axis]["key"] for chart in charts if "xaxis" in chart for axis in ("xaxis", "yaxis")}
    columns = [column.split(".", 1) for column in state["selectedColumns"]]
    metrics |= {name.strip("`") for kind, name in columns if kind == "metrics"}
    params = {name.strip("`") for kind, name in columns if kind == "params"}
    params |= {group["groupByData"] for group in (state["groupBy"] or {"groupByKeys": []})["groupByKeys"]}
    runs = search(tracked, state["searchFilter"].replace("'0.90'", "'0.50'"))
    assert {run.info.run_name for run in runs} == FOUND[key]
    assert metrics
    for run in runs:
        assert metrics <= run.data.metrics.keys()
        assert params <= run.data.params.keys()


def test_the_tags_are_short_enough_and_the_description_links_each_view() -> None:
    tags = experiment_tags("7")
    assert all(len(value) <= MAX_EXPERIMENT_TAG_VAL_LENGTH for value in tags.values())
    first_line = tags[NOTE_TAG].splitlines()[0]  # all that is seen of it while it is folded
    assert all(f"[{view['name']}]({link('7', key)})" in first_line for key, view in page()["views"].items())


def test_colours_are_those_of_the_figures() -> None:
    for method in ("dense", "cqp", "smallest"):
        assert colour_tag({"method": method}) == {"mlflow.runColor": look(method)["color"]}
    assert colour_tag({}) == {}
    assert not any(
        state_of(key)["useGroupedValuesInCharts"] for key in page()["views"]
    )  # a group has a colour of its own


def test_what_a_user_has_changed_stays(project: Path) -> None:
    track()
    client = MlflowClient(store_of(project))
    experiment = client.get_experiment_by_name("tiny")
    assert experiment.tags.items() >= experiment_tags(experiment.experiment_id).items()
    client.set_experiment_tag(experiment.experiment_id, NOTE_TAG, "mine")
    client.delete_experiment_tag(experiment.experiment_id, f"{VIEW_TAG}energy")
    track()
    tags = client.get_experiment_by_name("tiny").tags
    assert tags[NOTE_TAG] == "mine"
    assert f"{VIEW_TAG}energy" in tags  # what is missing comes back


def state_of(key: str) -> dict[str, Any]:
    return json.loads(json.loads(experiment_tags("1")[f"{VIEW_TAG}{key}"])["state"])
