"""The flow of the deployments, and the process that serves them: `python -m flows.scheduled.serve`.

Prefect loads this file by its path for each run. It imports nothing of the project before it is in the run's worktree,
so that nothing a person is editing takes part in a run.
"""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from prefect import flow, serve
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.runtime import deployment
from prefect.states import Crashed, State

DATA_VARIABLE = "SNN_DATA_DIR"


def notify(flow: Any, flow_run: FlowRun, state: State) -> None:
    """A hook for runs that fail or crash: see `flows.scheduled.hooks`. The flow's own process calls it
    by position. The serving process, which reports a killed flow, calls it by these names."""
    from flows.scheduled.hooks import notify

    notify(flow, flow_run, state)


@flow(name="experiment", flow_run_name="{experiment}", on_failure=[notify], on_crashed=[notify])
def experiment_in_worktree(
    experiment: str,
    overrides: list[str] | None = None,
    workers: int | None = None,
    dask: str | None = None,
    promote: dict[str, Any] | None = None,
) -> State | None:
    """`experiment_flow` in `.worktrees/<name of the deployment>`, at the project's current commit. Raises RuntimeError
    when git cannot make the worktree or a flow runs in it, else what `experiment_flow` raises."""
    command = [sys.executable, "-m", "flows.scheduled.worktree", deployment.name or "by-hand"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        raise RuntimeError(made.stderr.strip())
    if data := os.environ.get(DATA_VARIABLE):
        os.environ[DATA_VARIABLE] = str(Path(data).resolve())
    folder = made.stdout.strip()
    os.chdir(folder)
    sys.path.insert(0, folder)
    from flows.scheduled.prefect_flow import experiment_flow

    return experiment_flow.fn(experiment, overrides, workers, dask, promote)


def read_deployments() -> list[RunnerDeployment]:
    """The deployments of prefect.yaml, to be served here instead of by its work pool. Raises UserError: the
    file is not one of deployments, or Prefect refuses one."""
    from flows.scheduled.deployments import DEPLOYMENTS, read_entries
    from snnprune.core.errors import UserError

    def deployment_of(entry: dict[str, Any]) -> RunnerDeployment:
        try:
            return experiment_in_worktree.to_deployment(
                entry["name"],
                description=entry.get("description"),
                parameters=entry.get("parameters"),
                schedules=[CronSchedule(**schedule) for schedule in entry.get("schedules") or []],
            )
        except (TypeError, ValueError) as error:
            raise UserError(f"{DEPLOYMENTS}: {entry['name']}: {error}") from error

    return [deployment_of(entry) for entry in read_entries(Path.cwd())]


def mark_lost_runs() -> None:
    """Call every unfinished run of a deployment crashed, and tell of it: nothing is served yet, what ran it is gone."""
    states = ["RUNNING", "PENDING", "CANCELLING"]
    unfinished = {"state": {"type": {"any_": states}}, "deployment_id": {"is_null_": False}}
    state = Crashed(message="the process of this run was ended; the next run goes on from there")
    with get_client(sync_client=True) as client:
        while lost := client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate(unfinished)):
            for run in lost:
                client.set_flow_run_state(run.id, state, force=True)
                notify(None, run, state)


if __name__ == "__main__":
    # Now: the hook of a run that crashes is called here, perhaps while a person is editing.
    import_module("flows.scheduled.hooks")
    from flows.scheduled.late import tell_of_late_runs
    from pipeline.io.entry import plainly

    with plainly():
        tell_of_late_runs()
        mark_lost_runs()
        serve(*read_deployments(), limit=1, pause_on_shutdown=False)  # one at a time: each run takes all cores
