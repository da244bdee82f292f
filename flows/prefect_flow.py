"""The experiment as a Prefect flow: one task per DVC stage, its output in the task's log, the table as an artifact."""

import re

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run, task_run
from prefect.states import Completed, State

from flows.comparison import comparison_markdown, open_pipeline, target_of, validate_params
from flows.engine import Done, Work, run_target
from flows.environment import set_defaults
from flows.graph import Stage
from flows.workers import default_workers


@flow(name="experiment", flow_run_name="{experiment}")
def experiment_flow(experiment: str, workers: int | None = None) -> None:
    """Bring an experiment up to date in the current folder, up to `workers` stages at a time.

    The default is that of the command line, `default_workers()`.

    Raises:
        UnknownTarget, WorkspaceBusy, StageFailed, PipelineError: see `flows.engine.run_target`.
        ParamsError: params.yaml holds something that is not allowed.
    """
    set_defaults()  # a deployment or a notebook has no command line that did it
    say = get_run_logger().info
    pipeline = open_pipeline(say)
    run_target(
        pipeline,
        target_of(experiment, pipeline),
        say=say,
        carry_out=_bring_up_as_task,
        before_work=validate_params,
        lineage={"prefect_flow_run": str(flow_run.id)},
        workers=default_workers() if workers is None else workers,
    )
    create_markdown_artifact(
        key=artifact_key(f"comparison-{experiment}"),
        markdown=comparison_markdown(experiment),
        description=f"Pruning methods compared on {experiment}",
    )


@task(name="stage", cache_policy=NO_CACHE)  # whether a stage must run is DVC's to say
def bring_up(work: Work, stage: Stage) -> State[Done]:
    """One stage; the task's state is named Ran, Cached or Unchanged. Raises StageFailed with the stage's last lines."""
    done = work.bring_up(stage, get_run_logger().info, {"prefect_task_run": str(task_run.id)})
    return Completed(name=done.outcome.capitalize(), message=str(done), data=done)


def artifact_key(name: str) -> str:
    """The name with all that Prefect does not allow in a key turned into dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _bring_up_as_task(work: Work, stage: Stage) -> Done:
    return bring_up.with_options(task_run_name=stage.address)(work, stage, return_state=True).result()
