"""The experiment as a Prefect flow: one task per DVC stage, its output in the task's log, artifacts to look at."""

import json
import signal
from pathlib import Path

from prefect import flow, get_run_logger
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.exceptions import CancelledRun
from prefect.runtime import flow_run
from prefect.states import Cancelled, State

from flows.commit import commit_tags
from flows.comparison import comparison_markdown, open_pipeline, report_page, target_of, validate_params
from flows.engine import FlowFailed, run_target
from flows.environment import set_defaults
from flows.interrupt import Interrupted
from flows.process import Stopped
from flows.scheduled import overrides as params_overrides
from flows.scheduled.prefect_tasks import (
    ProgressArtifact,
    artifact_key,
    bring_up_as_task,
    run_tags,
    show_stages,
    stopped_when_cancelled,
)
from flows.stop import Stop
from flows.tracking import Tracking
from flows.workers import default_workers


@flow(name="experiment", flow_run_name="{experiment}")
def experiment_flow(
    experiment: str, overrides: list[str] | None = None, workers: int | None = None, dask: str | None = None
) -> State | None:
    """Bring an experiment up to date in the current folder, up to `workers` stages at a time.

    `overrides`, in the syntax of `dvc exp run -S` (`experiments.digits.train.epochs=3`), change params.yaml first; the
    results are then in an MLflow experiment of their own. `dask` is the address of a Dask scheduler, on whose workers
    the stages run. Artifacts: the progress, a table of the stages with their MLflow runs, the comparison, and a link to
    the report. A run cancelled in Prefect ends its stages and is Cancelled.

    Raises:
        UserError: an override is not allowed, or this folder is no worktree made for runs.
        ParamsError: params.yaml holds something that is not allowed.
        UnknownTarget, WorkspaceBusy, FlowFailed, PipelineError: see `flows.engine.run_target`.
    """
    set_defaults()  # a deployment or a notebook has no command line that did it
    say = get_run_logger().info
    if overrides:
        params_overrides.override(overrides)
    pipeline = open_pipeline(say)
    target = target_of(experiment, pipeline)
    commit, stop = commit_tags(pipeline.root), Stop()
    tags = run_tags("prefect_flow", flow_run.id, flow_run.ui_url)
    if overrides:
        tags[params_overrides.TAG] = json.dumps(overrides)
    try:
        with stopped_when_cancelled(flow_run.id, stop):
            done = run_target(
                pipeline,
                target,
                say=say,
                carry_out=bring_up_as_task,
                before_work=validate_params,
                tracking=Tracking(pipeline.root, say, tags),
                workers=workers or default_workers(),
                report=ProgressArtifact(experiment),
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
