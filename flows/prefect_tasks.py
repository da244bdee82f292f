"""What any flow shows in Prefect: one task per DVC stage, progress, a table of the stages."""

import re
from collections.abc import Mapping
from uuid import UUID

from prefect import get_run_logger, task
from prefect.artifacts import create_progress_artifact, create_table_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.runtime import task_run
from prefect.states import Completed, Failed, State

from flows.attempts import Run
from flows.engine import Done, Work
from flows.graph import Stage
from flows.progress import Progress


@task(name="stage", cache_policy=NO_CACHE)  # whether a stage must run is DVC's to say
def bring_up(work: Work, stage: Stage, run: Run) -> State[Done]:
    """One stage; the task's state is named Ran, Cached, Unchanged or Failed and says what result it has, and where."""
    tags = run_tags("prefect_task", task_run.id, task_run.ui_url)
    done = work.bring_up(stage, get_run_logger().info, tags, run)
    if done.error is not None:
        return Failed(name="Failed", message=str(done.error), data=done)
    shown = f"; MLflow run {done.mlflow_run}" if done.mlflow_run else ""
    result = f"; DVC result {done.dvc_hash}" if done.dvc_hash else ""
    return Completed(name=done.outcome.capitalize(), message=f"{done}{result}{shown}", data=done)


def bring_up_as_task(work: Work, stage: Stage, run: Run) -> Done:
    """`Work.bring_up` as a task run that has the stage's name; it raises what that raises."""
    state = bring_up.with_options(task_run_name=stage.address)(work, stage, run, return_state=True)
    done = state.result(raise_on_failure=False)
    if isinstance(done, BaseException):
        raise done
    return done


class ProgressArtifact:
    """A bar of the stages done, and which ones are running."""

    def __init__(self, name: str) -> None:
        """`name` is that of what runs; nothing is shown before the first call."""
        self._key = artifact_key(f"progress-{name}")
        self._artifact: UUID | None = None

    def __call__(self, progress: Progress) -> None:
        """Show it."""
        text = f"{progress.done} of {progress.total} stages done; {progress}; running: {', '.join(progress.running)}"
        if self._artifact is None:
            self._artifact = create_progress_artifact(progress.percent, key=self._key, description=text)
        else:
            update_progress_artifact(self._artifact, progress.percent, description=text)


def show_stages(name: str, done: Mapping[str, Done], commit: Mapping[str, str]) -> None:
    """A table of how each stage ended, its result's hash and its MLflow run, under the commit that is checked out."""
    rows = [
        {
            "stage": stage.address,
            "outcome": stage.outcome,
            "seconds": round(stage.seconds),
            "DVC result": stage.dvc_hash or "",
            "MLflow run": stage.mlflow_run or "",
        }
        for stage in done.values()
    ]
    about = ", ".join(f"{key} {value}" for key, value in commit.items())
    create_table_artifact(rows, key=artifact_key(f"stages-{name}"), description=f"Stages of {name}; {about}")


def artifact_key(name: str) -> str:
    """The name with all that Prefect does not allow in a key turned into dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def run_tags(name: str, run_id: object, url: str | None) -> dict[str, str]:
    """Tags that lead from MLflow to Prefect; there is a page only where a server runs.

    For its temporary server Prefect gives an address that begins with "None/".
    """
    has_page = url is not None and url.startswith("http")
    return {f"{name}_run": str(run_id), **({f"{name}_url": url} if has_page else {})}
