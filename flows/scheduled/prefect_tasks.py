"""What the flow shows in Prefect: a task per DVC stage, progress, a table of the stages; and how Prefect cancels it."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread
from uuid import UUID

import httpx
from prefect import get_run_logger, task
from prefect.artifacts import create_progress_artifact, create_table_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError
from prefect.runtime import task_run
from prefect.states import Completed, Failed, State

from flows.engine.engine import Done, Progress, Report, Work
from flows.engine.stage import Stage
from flows.engine.stop import Stop

CANCEL_INTERVAL = 2.0  # seconds between two looks at the run's state


@task(name="stage", cache_policy=NO_CACHE)  # whether a stage must run is DVC's to say
def bring_up(work: Work, stage: Stage) -> State[Done]:
    """One stage; the task's state is named Ran, Cached, Unchanged or Failed and says what result it has, and where."""
    done = work.bring_up(stage, get_run_logger().info, run_tags("prefect_task", task_run.id, task_run.ui_url))
    if done.error is not None:
        return Failed(name="Failed", message=str(done.error), data=done)
    mlflow_run = f"; MLflow run {done.mlflow_run}" if done.mlflow_run else ""
    result = f"; DVC result {done.dvc_hash}" if done.dvc_hash else ""
    return Completed(name=done.outcome.capitalize(), message=f"{done}{result}{mlflow_run}", data=done)


def bring_up_as_task(work: Work, stage: Stage) -> Done:
    """`Work.bring_up` as a task run that has the stage's name; it raises what that raises."""
    state = bring_up.with_options(task_run_name=stage.address)(work, stage, return_state=True)
    done = state.result(raise_on_failure=False)
    if isinstance(done, BaseException):
        raise done
    return done


def progress_artifact(name: str) -> Report:
    """A bar of the stages of `name` that are done, and which ones are running; it appears with the first report."""
    made: list[UUID] = []

    def report(progress: Progress) -> None:
        text = f"{progress.done} of {progress.total} stages done; {progress}; running: {', '.join(progress.running)}"
        if made:
            update_progress_artifact(made[0], progress.percent, description=text)
        else:
            key = artifact_key(f"progress-{name}")
            made.append(create_progress_artifact(progress.percent, key=key, description=text))

    return report


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


@contextmanager
def stopped_when_cancelled(run: UUID, stop: Stop) -> Iterator[None]:
    """While in here, ask to stop as soon as the server has the flow run as cancelled, also a run started by hand."""
    over = Event()

    def watch() -> None:
        with get_client(sync_client=True) as client:
            while not over.wait(CANCEL_INTERVAL):
                try:
                    state = client.read_flow_run(run).state
                except (httpx.HTTPError, PrefectHTTPStatusError):  # the server is away for a moment
                    continue
                if state is not None and (state.is_cancelling() or state.is_cancelled()):
                    stop.ask()
                    return

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def artifact_key(name: str) -> str:
    """The name with all that Prefect does not allow in a key turned into dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def run_tags(name: str, run_id: object, url: str | None) -> dict[str, str]:
    """Tags that lead from MLflow to Prefect; there is a page only where a server runs.

    For its temporary server Prefect gives an address that begins with "None/".
    """
    has_page = url is not None and url.startswith("http")
    return {f"{name}_run": str(run_id), **({f"{name}_url": url} if has_page else {})}
