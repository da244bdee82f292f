"""The experiment as a Prefect flow: one task per DVC stage, its output in the task's log, artifacts to look at."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect import flow, get_run_logger
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.exceptions import CancelledRun
from prefect.runtime import flow_run
from prefect.states import Cancelled, State

from flows.attempts import Run, run_here
from flows.commit import commit_tags
from flows.comparison import comparison_markdown, open_pipeline, report_page, target_of, validate_params
from flows.engine import FlowFailed, run_target
from flows.environment import set_defaults
from flows.exchange import ExchangeError
from flows.interrupt import Interrupted
from flows.narrow import narrow
from flows.prefect_cancel import stopped_when_cancelled
from flows.prefect_tasks import ProgressArtifact, artifact_key, bring_up_as_task, run_tags, show_stages
from flows.process import Stopped
from flows.stop import Stop
from flows.tracking import Tracking
from flows.workers import default_workers


@flow(name="experiment", flow_run_name="{experiment}")
def experiment_flow(
    experiment: str,
    methods: list[str] | None = None,
    levels: list[float] | None = None,
    seeds: list[int] | None = None,
    workers: int | None = None,
    dask: str | None = None,
) -> State | None:
    """Bring an experiment up to date in the current folder, up to `workers` stages at a time.

    The default is that of the command line, `default_workers()`. `methods`, `levels` and `seeds` change params.yaml
    first, which only a git worktree made for runs allows (`flows.narrow`). Artifacts: the progress while it runs, then
    a table of the stages with their MLflow runs, the comparison, and a link to the report. A run cancelled in Prefect
    ends its stages and is Cancelled. `dask` is the address of a Dask scheduler, on whose workers the stages then run,
    each in a clone of its own (docs/scale.md), by default as many as they take.

    Raises:
        UserError: this folder, or the experiment, does not allow these methods, levels or seeds.
        UnknownTarget, HintError, WorkspaceBusy, FlowFailed, PipelineError: see `flows.engine.run_target`.
        ParamsError: params.yaml holds something that is not allowed.
        ExchangeError: the stages cannot be handed to Dask workers.
    """
    set_defaults()  # a deployment or a notebook has no command line that did it
    say = get_run_logger().info
    narrow(experiment, methods, levels, seeds)
    pipeline = open_pipeline(say)
    target = target_of(experiment, pipeline)
    commit, stop = commit_tags(pipeline.root), Stop()
    try:
        with stopped_when_cancelled(flow_run.id, stop), _places(dask, pipeline.root) as (run, room):
            done = run_target(
                pipeline,
                target,
                say=say,
                carry_out=lambda work, stage: bring_up_as_task(work, stage, run),
                before_work=validate_params,
                tracking=Tracking(pipeline.root, say, run_tags("prefect_flow", flow_run.id, flow_run.ui_url)),
                workers=room if workers is None else workers,
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


@contextmanager
def _places(dask: str | None, root: Path) -> Iterator[tuple[Run, int]]:
    """How to run a stage, and how many at a time: here, or on the workers of a Dask scheduler."""
    if dask is None:
        yield run_here, default_workers()
        return
    try:
        from flows.dask_workers import dask_workers
    except ModuleNotFoundError as error:
        raise ExchangeError(f"{error}; Dask is an extra: `make scale` installs it") from error
    with dask_workers(dask, root) as workers:
        yield workers.run, workers.count
