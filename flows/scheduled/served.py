"""The flow of the deployments: the experiment in a git worktree of its own, at the project's current commit.

Prefect loads this file by its path. It imports nothing of the project before it is in the worktree, so that nothing a
person is editing takes part in a run.
"""

import json
import os
import subprocess
import sys

from prefect import flow
from prefect.runtime import deployment
from prefect.states import State


@flow(name="experiment", flow_run_name="{experiment}")
def experiment_in_worktree(
    experiment: str, overrides: list[str] | None = None, workers: int | None = None, dask: str | None = None
) -> State | None:
    """`flows.scheduled.prefect_flow.experiment_flow` in `.worktrees/<name of the deployment>`.

    Raises:
        RuntimeError: the worktree could not be made.
        ...: what the flow raises.
    """
    command = [sys.executable, "-m", "flows.scheduled.worktree", deployment.name or "by-hand"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        raise RuntimeError(made.stderr.strip())
    worktree = json.loads(made.stdout)
    os.environ.update(worktree["environment"])
    os.chdir(worktree["folder"])
    sys.path.insert(0, worktree["folder"])
    from flows.scheduled.prefect_flow import experiment_flow

    return experiment_flow.fn(experiment, overrides, workers, dask)
