"""The experiment as a Prefect flow: one task per DVC stage, its output in the task's log, artifacts to look at."""

import json
import signal
from pathlib import Path

from prefect import flow, get_run_logger
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.exceptions import CancelledRun
from prefect.runtime import flow_run
from prefect.states import Cancelled, State

from flows.engine.dvc import apply_overrides
from flows.engine.engine import FlowFailed, run_target
from flows.engine.interrupt import Interrupted
from flows.engine.stage import Stopped
from flows.engine.stop import Stop
from flows.environment import set_defaults
from flows.run import comparison_markdown, executor_for, open_project, report_page, target_of, validate_params
from flows.scheduled.prefect_tasks import (
    artifact_key,
    bring_up_as_task,
    progress_artifact,
    run_tags,
    show_stages,
    stopped_when_cancelled,
)
from flows.scheduled.worktree import is_for_runs
from flows.tracking.lineage import commit_tags
from flows.tracking.tracking import Tracking
from pipeline.io.params import PARAMS_FILE
from snnprune.core.errors import UserError

OVERRIDES = "overrides"  # the tag; after a dot, which no experiment's name has, the end of the MLflow experiment's name


@flow(name="experiment", flow_run_name="{experiment}")
def experiment_flow(
    experiment: str, overrides: list[str] | None = None, workers: int | None = None, dask: str | None = None
) -> State | None:
    """Bring an experiment up to date in the current folder, up to `workers` stages at a time.

    `overrides` change params.yaml first (see `override`); the results are then in an MLflow experiment of their own.
    `dask` is the address of a Dask scheduler, on whose workers the commands run. Artifacts: the progress, a table of
    the stages with their MLflow runs, the comparison, and a link to the report. A run cancelled in Prefect ends its
    stages and is Cancelled.

    Raises:
        UserError: an override is not allowed, params.yaml holds something that is not, or there is no Dask.
        UnknownTarget, WorkspaceBusy, FlowFailed, ProjectError: see `flows.engine.engine.run_target`.
    """
    set_defaults()  # a deployment or a notebook has no command line that did it
    say = get_run_logger().info
    tags = run_tags("prefect_flow", flow_run.id, flow_run.ui_url)
    if overrides:
        override(overrides)
        tags[OVERRIDES] = json.dumps(overrides)
    project = open_project(say)
    target = target_of(experiment, project)
    commit, stop = commit_tags(project.root), Stop()
    try:
        with stopped_when_cancelled(flow_run.id, stop), executor_for(dask) as (executor, room):
            done = run_target(
                project,
                target,
                say=say,
                carry_out=bring_up_as_task,
                before_work=validate_params,
                tracking=Tracking(project.root, say, tags, experiment_suffix=f".{OVERRIDES}" if overrides else ""),
                executor=executor,
                workers=workers or room,
                report=progress_artifact(experiment),
                stop=stop,
            )
    except FlowFailed as failed:
        show_stages(experiment, failed.done, commit)
        raise
    except Stopped:
        return Cancelled(message="cancelled; the same flow goes on from here")
    show_stages(experiment, done, commit)
    create_markdown_artifact(
        key=artifact_key(f"comparison-{experiment}"),
        markdown=comparison_markdown(experiment),
        description=f"Pruning methods compared on {experiment}",
    )
    page = Path.cwd() / report_page(experiment)
    create_link_artifact(
        link=page.as_uri(), link_text=f"report of {experiment}", key=artifact_key(f"report-{experiment}")
    )
    return None


def run_experiment(experiment: str, workers: int | None, dask: str | None = None) -> None:
    """The flow, for a command line. Raises what it raises, and Interrupted when it is cancelled in Prefect."""
    try:
        experiment_flow(experiment, workers=workers, dask=dask)
    except CancelledRun as error:
        raise Interrupted(signal.SIGTERM) from error


def override(overrides: list[str]) -> None:
    """Change params.yaml of the current folder by overrides in the syntax of `dvc exp run -S`, and check it.

    Such as `experiments.digits.train.epochs=3` or `matrix.digits.seeds=[0]`.

    Raises:
        UserError: this is a person's own folder.
        ProjectError: one does not parse, or names a key that params.yaml does not have.
        ParamsError: params.yaml would hold something that is not allowed.
    """
    if not is_for_runs(Path.cwd()):
        raise UserError(
            "overrides change params.yaml, so they need a worktree made for runs, not your own folder: with "
            "`snnprune deploy` running, `prefect deployment run experiment/on-demand --param 'overrides=[...]'`"
        )
    apply_overrides(PARAMS_FILE, overrides)
    validate_params()
