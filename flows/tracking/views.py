"""What an experiment's page in MLflow offers, from views.yaml: views of its runs by name, a description, colours.

MLflow keeps a saved view as an experiment tag: JSON with a name, a time to sort by and the state of the page, itself
JSON as text. A link that ends in `viewStateShareKey=<key>` opens it; without any, the page shows GenAI traces.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

KIND_TAG = "mlflow.experimentKind"
MODEL_TRAINING = "custom_model_development"
NOTE_TAG = "mlflow.note.content"
VIEW_TAG = "mlflow.sharedViewState."
COLOUR_TAG = "mlflow.runColor"


@cache
def page() -> dict[str, Any]:
    """What views.yaml says: `views`, `colours`, `description`."""
    return YAML(typ="safe").load(Path(__file__).with_suffix(".yaml"))


def experiment_tags(experiment_id: str) -> dict[str, str]:
    """The tags that give an experiment its views, its description and the pages for model training."""
    views = page()["views"]
    links = " · ".join(f"[{view['name']}]({link(experiment_id, key)})" for key, view in views.items())
    tags = {KIND_TAG: MODEL_TRAINING, NOTE_TAG: page()["description"].format(links=links)}
    for place, (key, view) in enumerate(views.items()):  # MLflow lists them by falling `createdAt`
        saved = {"name": view["name"], "createdAt": len(views) - place, "state": json.dumps(_state(key, view))}
        tags[f"{VIEW_TAG}{key}"] = json.dumps(saved)
    return tags


def link(experiment_id: str, key: str) -> str:
    """The address of a view, below that of the server."""
    query = f"workflowType=machine_learning&compareRunsMode=CHART&viewStateShareKey={key}"
    return f"#/experiments/{experiment_id}/runs?{query}"


def colour_tag(labels: Mapping[str, str]) -> dict[str, str]:
    """The tag that gives a run its method's colour; nothing for one without a known method."""
    colour = page()["colours"].get(labels.get("method"))
    return {COLOUR_TAG: colour} if colour else {}


def _state(key: str, view: Mapping[str, Any]) -> dict[str, Any]:
    """What MLflow's page keeps of its state, with one section that holds the charts."""
    columns, averaged = view.get("beside", 2), view.get("averaged", True)
    section = {"uuid": key, "name": view["name"], "display": True, "columns": columns, "cardHeight": 400}
    every_chart = {"metricSectionId": key, "runsCountToCompare": 100, "deleted": False, "isGenerated": False}
    method = {"aggregateFunction": "average", "groupByKeys": [{"mode": "param", "groupByData": "method"}]}
    return {
        "searchFilter": f"tags.current = 'true' and {view['runs']}",
        "orderByKey": "attributes.start_time",
        "orderByAsc": True,
        "selectedColumns": view["columns"],
        "groupBy": method if view.get("by_method", True) else None,
        "useGroupedValuesInCharts": averaged,
        "groupsExpanded": {f"param.method.{name}": False for name in page()["colours"]} if averaged else {},
        "runsHiddenMode": "SHOW_ALL",
        "isAccordionReordered": True,
        "compareRunSections": [section],
        "compareRunCharts": [
            {**every_chart, "uuid": f"{key}-{place}", **_chart(chart)} for place, chart in enumerate(view["charts"])
        ],
    }


def _chart(chart: Mapping[str, Any]) -> dict[str, Any]:
    match chart:
        case {"bar": metric}:
            return {"type": "BAR", "metricKey": metric}
        case {"scatter": metric, "against": against}:
            axes = {"xaxis": against, "yaxis": metric}
            return {"type": "SCATTER", **{axis: {"key": name, "type": "METRIC"} for axis, name in axes.items()}}
    metric, against, lowest = chart["line"], chart.get("against"), chart.get("lowest")
    x_axis = {"xAxisKey": "metric", "selectedXAxisMetricKey": against} if against else {"xAxisKey": "step"}
    cut = {"range": {"yMin": lowest, "yMax": 1.01}} if lowest is not None else {}
    fixed = {"useGlobalXaxisKey": False, "useGlobalLineSmoothing": False, "lineSmoothness": 0, "displayPoints": True}
    axes = {"xAxisScaleType": "linear", "scaleType": "linear"}
    return {"type": "LINE", "metricKey": metric, "selectedMetricKeys": [metric], **x_axis, **cut, **axes, **fixed}
