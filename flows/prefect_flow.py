"""The experiment as a Prefect flow: one task per DVC stage, its output in the task's log, artifacts to look at."""

import re
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from prefect import flow, get_run_logger, task
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run, task_run
from prefect.states import Completed, Failed, State

from flows.comparison import comparison_markdown, open_pipeline, report_page, target_of, validate_params
from flows.engine import Done, FlowFailed, Work, run_target
from flows.environment import set_defaults
from flows.graph import Stage
from flows.narrow import narrow
from flows.progress import Progress
from flows.workers import default_workers


@flow(name="experiment", flow_run_name="{experiment}")
def experiment_flow(
    experiment: str,
    methods: list[str] | None = None,
    levels: list[float] | None = None,
    seeds: list[int] | None = None,
    workers: int | None = None,
) -> None:
    """Bring an experiment up to date in the current folder, up to `workers` stages at a time.

    The default is that of the command line, `default_workers()`. `methods`, `levels` and `seeds` change params.yaml
    first, which only a git worktree made for runs allows (`flows.narrow`). Artifacts: the progress while it runs, then
    a table of the stages with their MLflow runs, the comparison, and a link to the report.

    Raises:
        UserError: this folder, or the experiment, does not allow these methods, levels or seeds.
        UnknownTarget, HintError, WorkspaceBusy, FlowFailed, PipelineError: see `flows.engine.run_target`.
        ParamsError: params.yaml holds something that is not allowed.
    """
    set_defaults()  # a deployment or a notebook has no command line that did it
    say = get_run_logger().info
    narrow(experiment, methods, levels, seeds)
    pipeline = open_pipeline(say)
    target = target_of(experiment, pipeline)
    try:
        done = run_target(
            pipeline,
            target,
            say=say,
            carry_out=_bring_up_as_task,
            before_work=validate_params,
            lineage=_tags("prefect_flow", flow_run.id, flow_run.ui_url),
            workers=default_workers() if workers is None else workers,
            report=_ProgressArtifact(experiment),
        )
    except FlowFailed as failed:
        _show_stages(experiment, failed.done)
        raise
    _show_stages(experiment, done)
    create_markdown_artifact(
        key=artifact_key(f"comparison-{experiment}"),
        markdown=comparison_markdown(experiment),
        description=f"Pruning methods compared on {experiment}",
    )
    page = Path.cwd() / report_page(experiment)
    create_link_artifact(
        link=page.as_uri(), link_text=f"report of {experiment}", key=artifact_key(f"report-{experiment}")
    )


@task(name="stage", cache_policy=NO_CACHE)  # whether a stage must run is DVC's to say
def bring_up(work: Work, stage: Stage) -> State[Done]:
    """One stage; the task's state is named Ran, Cached, Unchanged or Failed and says where MLflow shows the result."""
    done = work.bring_up(stage, get_run_logger().info, _tags("prefect_task", task_run.id, task_run.ui_url))
    if done.error is not None:
        return Failed(name="Failed", message=str(done.error), data=done)
    shown = f"; MLflow run {done.mlflow_run}" if done.mlflow_run else ""
    return Completed(name=done.outcome.capitalize(), message=f"{done}{shown}", data=done)


def artifact_key(name: str) -> str:
    """The name with all that Prefect does not allow in a key turned into dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


class _ProgressArtifact:
    """A bar of the stages done, and which ones are running."""

    def __init__(self, experiment: str) -> None:
        self._key = artifact_key(f"progress-{experiment}")
        self._artifact: UUID | None = None

    def __call__(self, progress: Progress) -> None:
        text = f"{progress.done} of {progress.total} stages done; {progress}; running: {', '.join(progress.running)}"
        if self._artifact is None:
            self._artifact = create_progress_artifact(progress.percent, key=self._key, description=text)
        else:
            update_progress_artifact(self._artifact, progress.percent, description=text)


def _show_stages(experiment: str, done: Mapping[str, Done]) -> None:
    rows = [
        {
            "stage": stage.address,
            "outcome": stage.outcome,
            "seconds": round(stage.seconds),
            "MLflow run": stage.mlflow_run or "",
        }
        for stage in done.values()
    ]
    create_table_artifact(rows, key=artifact_key(f"stages-{experiment}"), description=f"Stages of {experiment}")


def _tags(name: str, run_id: object, url: str | None) -> dict[str, str]:
    """Tags that lead from MLflow to Prefect; there is a page only where a server runs."""
    return {f"{name}_run": str(run_id), **({f"{name}_url": url} if url else {})}


def _bring_up_as_task(work: Work, stage: Stage) -> Done:
    state = bring_up.with_options(task_run_name=stage.address)(work, stage, return_state=True)
    done = state.result(raise_on_failure=False)
    if isinstance(done, BaseException):
        raise done
    return done
