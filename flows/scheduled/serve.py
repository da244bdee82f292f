"""Serves the deployments of prefect.yaml from this process: `python -m flows.scheduled.serve`, in the project's folder.

PREFECT_API_URL names the server. One run at a time, because each takes all cores.
"""

import os
from pathlib import Path

from prefect import serve
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.states import Crashed
from ruamel.yaml import YAML

from flows.scheduled.served import experiment_in_worktree

FILE = Path("prefect.yaml")
UNFINISHED = ["RUNNING", "PENDING", "CANCELLING"]


def read_deployments(path: Path = FILE) -> list[RunnerDeployment]:
    """The deployments of the file, to be served instead of given to its work pool."""
    return [
        experiment_in_worktree.to_deployment(
            entry["name"],
            description=entry["description"],
            parameters=entry["parameters"],
            schedules=[CronSchedule(**schedule) for schedule in entry.get("schedules", [])],
        )
        for entry in YAML(typ="safe").load(path)["deployments"]
    ]


def describe(deployment: RunnerDeployment) -> str:
    """The name to run it by, what it is for, and when it runs by itself."""
    schedules = [entry.schedule for entry in deployment.schedules or []]
    times = "; ".join(f"cron {schedule.cron}, {schedule.timezone}" for schedule in schedules)
    return f"{deployment.full_name}: {deployment.description} ({times or 'by hand'})"


def mark_lost_runs() -> None:
    """Call every unfinished run of a deployment crashed: nothing is served yet, so what ran them is gone."""
    unfinished = FlowRunFilter.model_validate(
        {"state": {"type": {"any_": UNFINISHED}}, "deployment_id": {"is_null_": False}}
    )
    with get_client(sync_client=True) as client:
        while lost := client.read_flow_runs(flow_run_filter=unfinished):
            for run in lost:
                state = Crashed(message="the process of this run was ended; the next run goes on from there")
                client.set_flow_run_state(run.id, state, force=True)


def main() -> None:
    """Put right what an earlier process left, register the deployments, list them, and serve them until killed."""
    mark_lost_runs()
    deployments = read_deployments()
    print("deployments:")
    for deployment in deployments:
        deployment.apply()
        print(f"  {describe(deployment)}")
    url = os.environ["PREFECT_API_URL"]
    print(f"run one by hand: PREFECT_API_URL={url} prefect deployment run experiment/smoke")
    print(f"up: {url.removesuffix('/api')} lists runs and schedules; Ctrl-C ends it", flush=True)
    os.dup2(2, 1)  # from here on it is the output of runs
    serve(*deployments, limit=1, pause_on_shutdown=False, print_starting_message=False)


if __name__ == "__main__":
    main()
