"""What an experiment's page in MLflow offers: views of its runs by name, and a description with links to them.

MLflow keeps a saved view as an experiment tag: JSON with a name, a time to sort by and the state of the page, itself
JSON as text. A link that ends in `viewStateShareKey=<key>` opens it; without any, the page shows GenAI traces.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KIND_TAG = "mlflow.experimentKind"
MODEL_TRAINING = "custom_model_development"
NOTE_TAG = "mlflow.note.content"
VIEW_TAG = "mlflow.sharedViewState."
COLOUR_TAG = "mlflow.runColor"

# One colour a method as in the report's figures (pipeline/report/style.py, which takes a second to import).
COLOURS = {
    "dense": "#000000",
    "cqp": "#0072B2",
    "magnitude": "#D55E00",
    "osqp": "#CC79A7",
    "random": "#999999",
    "regrow": "#009E73",
    "gradient": "#E69F00",
    "membrane": "#56B4E9",
}

Chart = dict[str, Any]


@dataclass(frozen=True)
class View:
    """Which runs a page shows, how they are grouped, which columns the table has and which charts there are.

    `averaged` draws a group as one (mean, and in a curve the range), else each of its runs in its method's colour.
    """

    key: str
    name: str
    runs: str
    columns: Sequence[str]
    charts: Sequence[Chart]
    by_method: bool = True
    averaged: bool = True
    beside: int = 2  # charts in a row


def _curve(metric: str, against: str = "", lowest: float | None = None) -> Chart:
    """A metric's steps as a line, over the metric `against` if there is one; `lowest` cuts the axis off below."""
    x_axis = {"xAxisKey": "metric", "selectedXAxisMetricKey": against} if against else {"xAxisKey": "step"}
    cut = {"range": {"yMin": lowest, "yMax": 1.01}} if lowest is not None else {}
    fixed = {"useGlobalXaxisKey": False, "useGlobalLineSmoothing": False, "lineSmoothness": 0, "displayPoints": True}
    axes = {"xAxisScaleType": "linear", "scaleType": "linear"}
    return {"type": "LINE", "metricKey": metric, "selectedMetricKeys": [metric], **x_axis, **cut, **axes, **fixed}


def _bars(metric: str) -> Chart:
    return {"type": "BAR", "metricKey": metric}


def _points(x: str, y: str) -> Chart:
    return {"type": "SCATTER", "xaxis": {"key": x, "type": "METRIC"}, "yaxis": {"key": y, "type": "METRIC"}}


VIEWS = (
    View(
        key="sparsity",
        name="Accuracy against sparsity",
        runs="tags.kind = 'series'",
        columns=["params.`seed`"],
        charts=[
            _curve("by_level/accuracy", against="by_level/sparsity", lowest=0.9),
            _curve("by_level/accuracy", against="by_level/sparsity"),
        ],
        beside=1,
    ),
    View(
        key="level",
        name="Methods at 90 % sparsity",
        runs="tags.kind = 'net' and params.level = '0.90'",
        columns=["metrics.`sparsity`", "metrics.`accuracy`", "metrics.`one_shot_accuracy`"],
        charts=[_bars("accuracy"), _bars("one_shot_accuracy")],
    ),
    View(
        key="energy",
        name="Accuracy against energy, seed 0",
        runs="tags.kind = 'net' and params.seed = '0'",
        columns=["params.`level`", "metrics.`accuracy`", "metrics.`energy_pj_loihi`"],
        charts=[_points("energy_pj_loihi", "accuracy"), _points("energy_pj_horowitz_45nm_int8", "accuracy")],
        averaged=False,
    ),
    View(
        key="training",
        name="Training curves",
        runs="tags.stage = 'train'",
        columns=["params.`seed`", "metrics.`validation_accuracy`"],
        charts=[_curve("curve/validation_accuracy"), _curve("curve/loss")],
        by_method=False,
    ),
)

DESCRIPTION = """\
**Open:** {links}

Each DVC stage is a run (`prune/cqp/seed0`). Under `evaluate` each net is a run with its test accuracy, costs and model
(`cqp@0.90/seed0`), and each method and seed one with its curve over the levels (`cqp/seed0`). To compare by hand:
*Group by* the param `method`, then the chart button; `tags.current = 'true'` leaves out results since replaced.
Figures and tables are among the artifacts of `compare` and `report`, lineage in each run's description.
"""


def experiment_tags(experiment_id: str) -> dict[str, str]:
    """The tags that give an experiment its views, its description and the pages for model training."""
    links = " · ".join(f"[{view.name}]({link(experiment_id, view.key)})" for view in VIEWS)
    views = {f"{VIEW_TAG}{view.key}": _saved(view, len(VIEWS) - place) for place, view in enumerate(VIEWS)}
    return {KIND_TAG: MODEL_TRAINING, NOTE_TAG: DESCRIPTION.format(links=links), **views}


def link(experiment_id: str, key: str) -> str:
    """The address of a view, below that of the server."""
    query = f"workflowType=machine_learning&compareRunsMode=CHART&viewStateShareKey={key}"
    return f"#/experiments/{experiment_id}/runs?{query}"


def colour_tag(labels: Mapping[str, str]) -> dict[str, str]:
    """The tag that gives a run its method's colour; nothing for one without a known method."""
    colour = COLOURS.get(labels.get("method", ""))
    return {COLOUR_TAG: colour} if colour else {}


def _saved(view: View, order: int) -> str:
    """The tag's value; MLflow lists the views by falling `order`."""
    return json.dumps({"name": view.name, "createdAt": order, "state": json.dumps(_state(view))})


def _state(view: View) -> dict[str, Any]:
    """What MLflow's page keeps of its state, with one section that holds the charts."""
    section = {"uuid": view.key, "name": view.name, "display": True, "columns": view.beside, "cardHeight": 400}
    every_chart = {"metricSectionId": view.key, "runsCountToCompare": 100, "deleted": False, "isGenerated": False}
    method = {"aggregateFunction": "average", "groupByKeys": [{"mode": "param", "groupByData": "method"}]}
    return {
        "searchFilter": f"tags.current = 'true' and {view.runs}",
        "orderByKey": "attributes.start_time",
        "orderByAsc": True,
        "selectedColumns": list(view.columns),
        "groupBy": method if view.by_method else None,
        "useGroupedValuesInCharts": view.averaged,
        "groupsExpanded": {f"param.method.{name}": False for name in COLOURS} if view.averaged else {},
        "runsHiddenMode": "SHOW_ALL",
        "isAccordionReordered": True,
        "compareRunSections": [section],
        "compareRunCharts": [
            {**every_chart, "uuid": f"{view.key}-{place}", **chart} for place, chart in enumerate(view.charts)
        ],
    }
