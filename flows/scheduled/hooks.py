"""What Prefect calls when a run of the flow has failed or crashed: it says so to whoever wants to know."""

import json
import os
import re
import shlex
from typing import Any

from prefect.client.schemas.objects import FlowRun
from prefect.logging.loggers import flow_run_logger
from prefect.settings import get_current_settings
from prefect.states import State
from prefect.utilities.urls import url_for

from flows.notification import message, send
from flows.tracking.location import VARIABLE as MLFLOW

OF_PREFECT = re.compile(r"^Flow run encountered an exception:\s+(\w+:\s+)?")
OF_STAGE = re.compile(r"^to run it again: .*\n?", re.MULTILINE)  # the command of the whole run knows its overrides


def notify(flow: Any, flow_run: FlowRun, state: State) -> None:
    """Send the message about a run that ended so (Prefect's signature of a hook); nothing where none is wanted."""
    experiment = str(flow_run.parameters.get("experiment", flow_run.name))
    reason = OF_STAGE.sub("", OF_PREFECT.sub("", state.message or "no reason was given")).rstrip()
    mlflow = os.environ.get(MLFLOW, "")
    links = {"Prefect": page_of(flow_run) or f"flow run {flow_run.id}", "MLflow": mlflow if is_page(mlflow) else ""}
    text = message(experiment, state.name.lower(), reason, command_of(flow_run), links)
    send(text, flow_run_logger(flow_run).warning)


def command_of(flow_run: FlowRun) -> str:
    """What starts the same run again."""
    given = {name: value for name, value in flow_run.parameters.items() if value is not None}
    if flow_run.deployment_id is not None:
        server = get_current_settings().api.url
        where = f"PREFECT_API_URL={server} " if server else ""
        return f"{where}prefect deployment run --id {flow_run.deployment_id} --params {shlex.quote(json.dumps(given))}"
    options = [f"--{name} {given[name]}" for name in ("workers", "dask") if name in given]
    return " ".join(["snnprune run", str(given.get("experiment", "")), "--prefect", *options])


def page_of(flow_run: FlowRun) -> str | None:
    """The run's page; there is one only where a server runs (the temporary one has none)."""
    page = url_for(flow_run)
    return page if page is not None and is_page(page) else None


def is_page(address: str) -> bool:
    """Whether a browser can open it."""
    return address.startswith(("http://", "https://"))
