"""Reads and writes MLflow's runs: opening the store, a run per stage, its children, and their models.

Imported only when there is something to log: MLflow takes seconds to import.
"""

import json
import logging
import re
import textwrap
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

import mlflow
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Dataset as DatasetEntity
from mlflow.entities import DatasetInput, Experiment, InputTag, LifecycleStage, Metric, Param, Run
from mlflow.exceptions import MlflowException
from mlflow.store.db.db_types import DATABASE_ENGINES
from sqlalchemy.exc import SQLAlchemyError

from flows.tracking.lineage import KEY_TAG, STAGE_TAG, lineage_note
from flows.tracking.location import local_database, local_uri, store_folder, store_uri
from flows.tracking.model import log_model
from flows.tracking.results import Content, Dataset, Point, Result
from flows.tracking.runs import StageRun
from flows.tracking.views import NOTE_TAG, colour_tag, experiment_tags

Item = TypeVar("Item")

CURRENT_TAG = "current"
CHILDREN_TAG = "children"
WEIGHTS_TAG = "weights"
PARENT_TAG = "mlflow.parentRunId"
YES = "true"

ARTIFACTS = "artifacts"
LOCK = "tracking.lock"
LOCK_SECONDS = 120.0  # another process logs one result at a time; one that hangs must not stop the work

REASON_LENGTH = 110
PARAMS_AT_ONCE = 100  # MLflow's limits for one request
METRICS_AT_ONCE = 1000


class StoreError(RuntimeError):
    """MLflow could not be reached, or refused what it was given."""


class Store:
    """The server named by MLFLOW_TRACKING_URI, else one SQLite file in the project."""

    def __init__(self, root: Path) -> None:
        """Open the store; a local database is created first, by one process at a time (others would ruin it).

        Raises:
            StoreError: the server does not answer.
        """
        for name in ("mlflow.store.db.utils", "alembic"):  # they log each step of creating the database
            logging.getLogger(name).setLevel(logging.WARNING)
        self.database = local_database(root)
        self._folder = store_folder(root)
        self._experiments: dict[str, str] = {}
        mlflow.set_tracking_uri(store_uri(root))  # logging models goes by this; it sets MLFLOW_TRACKING_URI too
        with errors_named(), self.writing():
            if self.database is not None:
                _create_database(self.database)
            self._client = MlflowClient(tracking_uri=store_uri(root))
            self._client.search_experiments(max_results=1)

    def writing(self) -> AbstractContextManager:
        """Hold the lock from looking for a run until it is written, so that no two processes write it twice.

        Raises:
            StoreError: there can be no lock file, or somebody holds it for minutes.
        """
        with errors_named():
            self._folder.mkdir(exist_ok=True)
            return FileLock(self._folder / LOCK, timeout=LOCK_SECONDS).acquire()

    def runs_of(self, experiment: str, address: str) -> list[StageRun]:
        """Every run of a stage, children included. Raises StoreError."""
        return self._search(experiment, f"tags.{STAGE_TAG} = '{address}'").get(address, [])

    def runs_by_stage(self, experiment: str) -> dict[str, list[StageRun]]:
        """The same for every stage of an experiment. Raises StoreError."""
        return self._search(experiment, "")

    def delete(self, runs: Sequence[StageRun]) -> None:
        """Delete runs and the models they logged. Raises StoreError."""
        with errors_named():
            for run in runs:
                for model_id in run.model_ids:
                    self._client.delete_logged_model(model_id)
                self._client.delete_run(run.run_id)

    def set_current(self, runs: Sequence[StageRun], key: str) -> None:
        """Tag the runs of the result `key` as current and all others as not. Raises StoreError."""
        with errors_named():
            for run in runs:
                if run.is_current != (run.key == key):
                    self._client.set_tag(run.run_id, CURRENT_TAG, _yes_no(run.key == key))

    def page_of(self, experiment: str, run_id: str) -> str:
        """A run's page where a server has one, else its id. Raises StoreError."""
        uri = self._client.tracking_uri
        is_server = uri.startswith("http")
        return f"{uri}/#/experiments/{self._experiment_id(experiment)}/runs/{run_id}" if is_server else run_id

    def write(self, experiment: str, result: Result, tags: Mapping[str, str]) -> str:
        """Write a result as a run with its children, and return its id; it is written once that run is finished.

        Raises:
            StoreError: it could not be written whole; the next attempt deletes what is there.
        """
        with errors_named():
            weights = {WEIGHTS_TAG: "absent"} if result.weights_absent else {}
            children = {CHILDREN_TAG: str(len(result.children))}
            stage = self.start(experiment, result.stage, {**tags, **weights, **children})
            for content in result.children:
                child = self.start(experiment, content, {**tags, PARENT_TAG: stage})
                self._fill(experiment, child, content, result.dataset)
            self._fill(experiment, stage, result.stage, result.dataset)
            return stage

    def start(self, experiment: str, content: Content, tags: Mapping[str, str], *, is_current: bool = True) -> str:
        """Start a run with nothing but its tags and return its id. Raises StoreError."""
        with errors_named():
            seen = {NOTE_TAG: lineage_note(tags), **colour_tag(content.labels), CURRENT_TAG: _yes_no(is_current)}
            all_tags = {**content.labels, **tags, **seen}
            return self._client.create_run(
                self._experiment_id(experiment), run_name=content.name, tags=all_tags
            ).info.run_id

    def add_points(self, run_id: str, points: Sequence[Point]) -> None:
        """Add to a run's metrics. Raises StoreError."""
        with errors_named():
            now = int(time.time() * 1000)
            metrics = [Metric(point.name, point.value, now, point.step) for point in points]
            for some in _pieces(metrics, METRICS_AT_ONCE):
                self._client.log_batch(run_id, metrics=some)

    def is_there(self, run_id: str) -> bool:
        """Whether nobody has deleted the run. Raises StoreError."""
        with errors_named():
            return self._client.get_run(run_id).info.lifecycle_stage == LifecycleStage.ACTIVE

    def fail(self, run_id: str) -> None:
        """End a run as failed. Raises StoreError."""
        with errors_named():
            self._client.set_terminated(run_id, status="FAILED")

    def _search(self, experiment: str, query: str) -> dict[str, list[StageRun]]:
        """The runs that we logged, by stage."""
        with errors_named():
            found: dict[str, list[StageRun]] = defaultdict(list)
            token: str | None = ""
            while token is not None:
                page = self._client.search_runs([self._experiment_id(experiment)], query, page_token=token or None)
                for run in page:
                    if KEY_TAG in run.data.tags:
                        found[run.data.tags[STAGE_TAG]].append(_stage_run(run))
                token = page.token or None
            return found

    def _fill(self, experiment: str, run_id: str, content: Content, dataset: Dataset | None) -> None:
        params = [Param(name, value) for name, value in content.params.items()]
        for some in _pieces(params, PARAMS_AT_ONCE):
            self._client.log_batch(run_id, params=some)
        self.add_points(run_id, content.points)
        if dataset is not None:
            source = json.dumps({"uri": dataset.path})
            entity = DatasetEntity(dataset.name, dataset.md5, "local", source, profile=dataset.profile)
            tags = [InputTag("mlflow.data.context", "training")]
            self._client.log_inputs(run_id, datasets=[DatasetInput(entity, tags)])
        for file, folder in content.artifacts:
            self._client.log_artifact(run_id, str(file), folder or None)
        if content.weights is not None:
            log_model(self._client, self._experiment_id(experiment), run_id, content)
        self._client.set_terminated(run_id)

    def _experiment_id(self, name: str) -> str:
        """The MLflow experiment of that name, created or restored from the bin when it is not there."""
        with errors_named():
            if name not in self._experiments:
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    location = self._artifact_location(name)
                    found = self._client.get_experiment(self._client.create_experiment(name, location))
                elif found.lifecycle_stage == "deleted":
                    self._client.restore_experiment(found.experiment_id)
                self._require_place(found)
                for key, value in experiment_tags(found.experiment_id).items():
                    if key not in found.tags:  # what a user has changed stays
                        self._client.set_experiment_tag(found.experiment_id, key, value)
                self._experiments[name] = found.experiment_id
            return self._experiments[name]

    def _artifact_location(self, name: str) -> str | None:
        """In the project, or beside a local database, when the store is one: it holds no files, and MLflow's default
        depends on the working folder. A server has its own place.
        """
        engine = re.split("[+:]", self._client.tracking_uri)[0]  # postgresql+psycopg://...
        return (self._folder / ARTIFACTS / name).absolute().as_uri() if engine in DATABASE_ENGINES else None

    def _require_place(self, experiment: Experiment) -> None:
        """Refuse a local store whose files lie elsewhere: MLflow keeps their absolute path when a project is moved."""
        expected = self._artifact_location(experiment.name)
        if self.database is not None and experiment.artifact_location != expected:
            raise StoreError(f"its files are in {experiment.artifact_location}: was the folder moved? Remove mlruns/")


@contextmanager
def errors_named() -> Iterator[None]:
    """What MLflow raises as StoreError, short enough for one line.

    Not all of it is MLflow's own: a full disk is an OSError, a server that refuses a file is its subclass
    requests.RequestException, a database that cannot be opened is SQLAlchemy's, and its driver may be missing.
    """
    try:
        yield
    except (MlflowException, OSError, SQLAlchemyError, ImportError) as error:
        raise StoreError(textwrap.shorten(str(error), REASON_LENGTH, placeholder=" ...")) from error


def _create_database(path: Path) -> None:
    """Create MLflow's tables under another name first: it cannot use a database whose making was interrupted."""
    if path.exists():
        return
    unfinished = path.with_suffix(".unfinished")
    for left_over in path.parent.glob(f"{unfinished.name}*"):  # SQLite's journal, too
        left_over.unlink()
    MlflowClient(tracking_uri=local_uri(unfinished)).search_experiments(max_results=1)
    unfinished.replace(path)


def _stage_run(run: Run) -> StageRun:
    tags = run.data.tags
    outputs = run.outputs.model_outputs if run.outputs else []
    return StageRun(
        run_id=run.info.run_id,
        key=tags[KEY_TAG],
        parent=tags.get(PARENT_TAG),
        is_finished=run.info.status == "FINISHED",
        is_current=tags.get(CURRENT_TAG) == YES,
        weights_absent=WEIGHTS_TAG in tags,
        children=int(tags.get(CHILDREN_TAG, 0)),
        model_ids=tuple(model.model_id for model in outputs),
    )


def _yes_no(value: bool) -> str:
    return YES if value else "false"


def _pieces(items: list[Item], size: int) -> Iterator[list[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
