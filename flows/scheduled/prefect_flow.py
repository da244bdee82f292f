"""The experiment as a Prefect flow: one task per DVC stage, its output in the task's log, artifacts to look at."""

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import UUID

import httpx
from prefect import flow, get_run_logger, task
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.exceptions import CancelledRun, PrefectHTTPStatusError
from prefect.runtime import flow_run, task_run
from prefect.settings import get_current_settings
from prefect.states import Cancelled, Completed, Failed, State
from prefect.utilities.slugify import slugify

from flows.engine.cost import rows, spent_by_kind, table
from flows.engine.dvc import apply_overrides
from flows.engine.engine import Done, FlowFailed, Report, Work
from flows.engine.stage import Stage, Stopped
from flows.engine.stop import Interrupted, Stop
from flows.environment import set_defaults
from flows.redact import redact, redact_values, redacted_errors
from flows.registry.promote import NotReached
from flows.registry.promote import promote as promote_net
from flows.run import comparison, costs_of, run_experiment, validate_params
from flows.scheduled.database import DATABASE, require_whole
from flows.scheduled.hooks import is_page, notify
from flows.tracking.lineage import commit_tags
from flows.tracking.location import project_of
from pipeline.io.params import PARAMS_FILE
from pipeline.io.paths import report_page
from pipeline.promotion.params import PromotionParams
from snnprune.core.errors import UserError
from snnprune.core.schema import validate

OVERRIDES = "overrides"  # the tag; after a dot, which no experiment's name has, the end of the MLflow experiment's name
SERVER_SECONDS = 5.0
CANCEL_INTERVAL = 2.0  # seconds between two looks at the run's state


@flow(name="experiment", flow_run_name="{experiment}", on_failure=[notify], on_crashed=[notify])
@redacted_errors()
def experiment_flow(
    experiment: str,
    overrides: list[str] | None = None,
    workers: int | None = None,
    dask: str | None = None,
    promote: dict[str, Any] | None = None,
) -> State | None:
    """Bring an experiment up to date in the current folder, up to `workers` stages at a time.

    `overrides` change params.yaml first (see `override`); the results are then in an MLflow experiment of their own.
    `dask` is the address of a Dask scheduler, on whose workers the commands run. `promote` holds `PromotionParams`, by
    which a net is promoted in the end (MLflow down: the request is kept). Artifacts: the progress, a table of the
    stages with their MLflow runs, where the time went, the comparison, and a link to the report. A run cancelled in
    Prefect ends its stages and is Cancelled; of one that fails or crashes a message is sent (`flows.notification`).
    Raises UserError as `override`, `flows.run.run_experiment` and `flows.registry.promote.promote`.
    """
    set_defaults()  # a deployment or a notebook has no command line that did it
    promotion = None if promote is None else validate(PromotionParams, promote, "promote")
    tags = run_tags("prefect_flow", flow_run.id, flow_run.ui_url)
    if overrides:
        override(overrides)
        tags[OVERRIDES] = json.dumps(overrides)
    suffix = f".{OVERRIDES}" if overrides else ""
    commit, stop = commit_tags(Path.cwd()), Stop()
    try:
        with stopped_when_cancelled(flow_run.id, stop):
            done = run_experiment(
                experiment,
                workers,
                dask,
                say=get_run_logger().info,
                carry_out=bring_up_as_task,
                lineage=tags,
                suffix=suffix,
                report=progress_artifact(experiment),
                stop=stop,
            )
    except FlowFailed as failed:
        show_stages(experiment, failed.done, commit)
        raise
    except Stopped:
        return Cancelled(message="cancelled; the same flow goes on from here")
    show_stages(experiment, done, commit)
    about = f"Pruning methods compared on {experiment}"
    create_markdown_artifact(comparison(experiment, markdown=True), slugify(f"comparison-{experiment}"), about)
    page = (Path.cwd() / report_page(experiment)).as_uri()
    create_link_artifact(page, f"report of {experiment}", slugify(f"report-{experiment}"))
    if promotion is not None:
        try:
            promote_net(experiment, promotion, suffix=suffix, say=get_run_logger().info)
        except NotReached as error:
            get_run_logger().warning(str(error))
    return None


def run_flow(experiment: str, workers: int | None, dask: str | None = None) -> None:
    """The flow, for a command line. Raises what it raises, and Interrupted when it is cancelled in Prefect. Raises
    UserError: no Prefect server answers, or the database of the temporary one is damaged."""
    require_prefect()
    try:
        experiment_flow(experiment, workers=workers, dask=dask)
    except CancelledRun as error:
        raise Interrupted(signal.SIGTERM) from error


def require_prefect() -> None:
    """Check in seconds what Prefect would try for minutes. Raises UserError."""
    settings = get_current_settings()
    if settings.api.url:
        try:
            found = httpx.get(f"{settings.api.url.rstrip('/')}/health", timeout=SERVER_SECONDS)
            if found.status_code == httpx.codes.NOT_FOUND or found.is_server_error:  # others may want a key for it
                raise httpx.HTTPError(f"what is there answers {found.status_code} {found.reason_phrase}")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UserError(
                f"no Prefect server answers at PREFECT_API_URL, {settings.api.url} ({error}); start one "
                "(`snnprune deploy`), unset the variable, or run without --prefect, which needs none"
            ) from error
    else:
        require_whole(settings.home / DATABASE)


def override(overrides: list[str]) -> None:
    """Change params.yaml of the current folder by overrides in the syntax of `dvc exp run -S`, and check it. Such as
    `experiments.digits.train.epochs=3` or `matrix.digits.seeds=[0]`. Raises UserError: this is a person's own folder,
    an override does not parse or names a key that params.yaml does not have, or params.yaml would hold something that
    is not allowed."""
    if project_of(Path.cwd()) == Path.cwd():
        raise UserError(
            "overrides change params.yaml, so they need a worktree made for runs, not your own folder: with "
            "`snnprune deploy` running, `prefect deployment run experiment/on-demand --param 'overrides=[...]'`"
        )
    apply_overrides(PARAMS_FILE, overrides)
    validate_params()


@task(name="stage", cache_policy=NO_CACHE)  # whether a stage must run is DVC's to say
@redacted_errors()
def bring_up(work: Work, stage: Stage) -> State[Done]:
    """One stage; the task's state is named Ran, Cached, Unchanged or Failed and says what result it has, and where."""
    done = work.bring_up(stage, get_run_logger().info, run_tags("prefect_task", task_run.id, task_run.ui_url))
    if done.error is not None:
        return Failed(name="Failed", message=str(done.error), data=done)
    about = {"DVC result": done.dvc_hash, "MLflow run": done.mlflow_run}
    parts = [str(done), *(f"{name} {value}" for name, value in about.items() if value)]
    return Completed(name=done.outcome.capitalize(), message=redact("; ".join(parts)), data=done)


def bring_up_as_task(work: Work, stage: Stage) -> Done:
    """`Work.bring_up` as a task run that has the stage's name; it raises what that raises."""
    state = bring_up.with_options(task_run_name=stage.address)(work, stage, return_state=True)
    done = state.result(raise_on_failure=False)
    if isinstance(done, BaseException):
        raise done
    return done


def progress_artifact(name: str) -> Report:
    """A bar of the stages of `name` that are done, and which ones are running."""
    artifact = create_progress_artifact(0, slugify(f"progress-{name}"))
    return lambda share, text: update_progress_artifact(artifact, 100 * share, description=text)


def show_stages(name: str, done: Mapping[str, Done], commit: Mapping[str, str]) -> None:
    """A table of how each stage ended, its result's hash and its MLflow run, under the commit that is checked out; and
    one of where the time went, if anything ran."""
    stages = [
        {
            "stage": stage.address,
            "outcome": stage.outcome,
            "seconds": round(stage.seconds),
            "DVC result": stage.dvc_hash or "",
            "MLflow run": stage.mlflow_run or "",
        }
        for stage in done.values()
    ]
    about = ", ".join(f"{key} {value}" for key, value in redact_values(commit).items())
    create_table_artifact(stages, slugify(f"stages-{name}"), f"Stages of {name}; {about}")
    if costs := costs_of(done):
        spent = spent_by_kind(costs)
        create_table_artifact(rows(spent), slugify(f"time-{name}"), f"Where the time of {name} went")
        get_run_logger().info(table(spent))


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


def run_tags(name: str, run_id: object, url: str | None) -> dict[str, str]:
    """Tags that lead from MLflow to Prefect; there is a page only where a server runs. For its temporary server Prefect
    gives an address that begins with "None/"."""
    page = {f"{name}_url": url} if url and is_page(url) else {}
    return {f"{name}_run": str(run_id), **page}
