"""What an experiment's page in MLflow offers, from views.yaml: views of its runs by name, a description.
MLflow keeps a saved view as an experiment tag: JSON with a name, a time to sort by and the state of the page, itself
JSON as text. A link that ends in `viewStateShareKey=<key>` opens it; without any, the page shows GenAI traces."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.report.looks import colour_of

NOTE_TAG = "mlflow.note.content"
VIEW_TAG = "mlflow.sharedViewState."


@cache
def page() -> dict[str, Any]:
    """What views.yaml says."""
    return YAML(typ="safe").load(Path(__file__).with_suffix(".yaml"))


def experiment_tags(experiment_id: str) -> dict[str, str]:
    """The tags that give an experiment its views, its description and the pages for model training."""
    views = page()["views"]
    links = " · ".join(f"[{view['name']}]({link(experiment_id, key)})" for key, view in views.items())
    saved = {
        f"{VIEW_TAG}{key}": {"name": view["name"], "createdAt": len(views) - place, "state": _state(key, view)}
        for place, (key, view) in enumerate(views.items())  # MLflow lists them by falling `createdAt`
    }
    return {
        "mlflow.experimentKind": "custom_model_development",
        NOTE_TAG: page()["description"].format(links=links),
        **{tag: json.dumps(view) for tag, view in saved.items()},
    }


def link(experiment_id: str, key: str) -> str:
    """The address of a view, below that of the server."""
    query = f"workflowType=machine_learning&compareRunsMode=CHART&viewStateShareKey={key}"
    return f"#/experiments/{experiment_id}/runs?{query}"


def colour_tag(labels: Mapping[str, str]) -> dict[str, str]:
    """The tag that gives a run its method's colour; nothing for one without a method."""
    return {"mlflow.runColor": colour_of(labels["method"])} if "method" in labels else {}


def _group(params: list[str]) -> dict[str, Any] | None:
    """Rows of the table that hold the mean of the runs with equal params; None for a row a run."""
    keys = [{"mode": "param", "groupByData": name} for name in params]
    return {"aggregateFunction": "average", "groupByKeys": keys} if keys else None


def _state(key: str, view: Mapping[str, Any]) -> str:
    """What MLflow's page keeps of its state, with one section that holds the charts."""
    of_all = page()
    about_chart = {**of_all["chart"], "metricSectionId": key}
    state = {
        **of_all["state"],
        "searchFilter": f"tags.current = 'true' and {view['runs']}",
        "selectedColumns": view["columns"],
        "groupBy": _group(view.get("group", ["method"])),
        "useGroupedValuesInCharts": False,
        "compareRunSections": [
            {**of_all["section"], "uuid": key, "name": view["name"], "columns": view.get("beside", 2)}
        ],
        "compareRunCharts": [
            {**about_chart, **chart, "uuid": f"{key}-{place}"} for place, chart in enumerate(view["charts"])
        ],
    }
    return json.dumps(state)
