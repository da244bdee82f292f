"""Writes results into MLflow: opening the store, one run per result, one nested run per sparsity level, models.

Imported only when there is something to track: MLflow takes seconds to import.
"""

import json
import logging
import re
import shutil
import textwrap
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import mlflow
import mlflow.pyfunc
import numpy as np
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Dataset as DatasetEntity
from mlflow.entities import DatasetInput, InputTag, LifecycleStage, Metric, Param, Run
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.store.db.db_types import DATABASE_ENGINES
from mlflow.types import Schema, TensorSpec
from sqlalchemy.exc import SQLAlchemyError

import snnprune
from flows.lineage import KEY_TAG, STAGE_TAG, lineage_note
from flows.mlflow_views import NOTE_TAG, colour_tag, experiment_tags
from flows.narrowed import mlflow_name
from flows.results import Dataset, Part, Point, Result
from flows.stage_runs import CURRENT_TAG, PARENT_TAG, WEIGHTS_TAG, YES, StageRun
from flows.store_place import local_database, local_uri, store_folder, store_uri

Item = TypeVar("Item")

ARTIFACTS = "artifacts"
LOCK = "tracking.lock"
LOCK_SECONDS = 120.0  # another writes one result at a time; one that hangs must not stop the work

REASON_LENGTH = 110
PARAMS_AT_ONCE = 100  # MLflow's limits for one request
METRICS_AT_ONCE = 1000

SERVED_MODEL = Path(__file__).with_name("served_model.py")
SERVED_PACKAGE = Path(snnprune.__file__).parent
SERVED_PARTS = ("__init__.py", "core", "snn")  # what SERVED_MODEL imports of it
SERVED_REQUIREMENTS = ("mlflow", "numpy", "pydantic", "safetensors", "snntorch", "torch")
FLOATS = np.dtype("float32")
SERVED_SIGNATURE = ModelSignature(
    inputs=Schema([TensorSpec(FLOATS, (-1, -1, -1, -1))]),  # images [B, C, H, W]
    outputs=Schema([TensorSpec(FLOATS, (-1, -1))]),  # spike counts [B, classes]
)


class StoreError(RuntimeError):
    """MLflow could not be reached, or refused what it was given."""


class Store:
    """The server named by MLFLOW_TRACKING_URI, else one SQLite file in the project."""

    def __init__(self, root: Path) -> None:
        """Open the store; a local database is created first, by one process at a time (others would ruin it).

        Raises:
            StoreError: the server does not answer.
        """
        _silence()
        self._database = local_database(root)
        self._folder = store_folder(root)
        self.is_local = self._database is not None
        self._root = root
        self._experiments: dict[str, str] = {}
        mlflow.set_tracking_uri(store_uri(root))  # logging models goes by this; it sets MLFLOW_TRACKING_URI too
        with errors_named(), self.writing():
            if self._database is not None:
                _create_database(self._database)
            self._client = MlflowClient(tracking_uri=store_uri(root))
            self._client.search_experiments(max_results=1)

    def writing(self) -> AbstractContextManager:
        """Takes the lock to hold from looking for a run until it is written, so that no two processes write it twice.

        Raises:
            StoreError: there can be no lock file, or somebody holds it for minutes.
        """
        with errors_named():
            self._folder.mkdir(exist_ok=True)
            return FileLock(self._folder / LOCK, timeout=LOCK_SECONDS).acquire()

    def runs_of(self, experiment: str, address: str) -> list[StageRun]:
        """Every run of a stage, children included. Raises StoreError."""
        with errors_named():
            query = f"tags.{STAGE_TAG} = '{address}'"
            page = self._client.search_runs([self._experiment_id(experiment)], query)
            found = list(page)
            while page.token:
                page = self._client.search_runs([self._experiment_id(experiment)], query, page_token=page.token)
                found += page
            return [_stage_run(run) for run in found]

    def delete(self, runs: Sequence[StageRun]) -> None:
        """Delete runs and the models they logged. Raises StoreError."""
        with errors_named():
            for run in runs:
                for model_id in run.model_ids:
                    self._client.delete_logged_model(model_id)
                self._client.delete_run(run.run_id)

    def set_current(self, runs: Sequence[StageRun], key: str) -> None:
        """Tag the runs that show the result `key` as current and all others as not. Raises StoreError."""
        with errors_named():
            for run in runs:
                if run.is_current != (run.key == key):
                    self._client.set_tag(run.run_id, CURRENT_TAG, _yes_no(run.key == key))

    def where(self, experiment: str, run_id: str) -> str:
        """A run's page where a server keeps it, else its id. Raises StoreError."""
        with errors_named():
            if not self._client.tracking_uri.startswith("http"):
                return run_id
            return f"{self._client.tracking_uri}/#/experiments/{self._experiment_id(experiment)}/runs/{run_id}"

    def write(self, experiment: str, result: Result, tags: Mapping[str, str]) -> str:
        """Write one result as a run with its children, and return its id; it is written once that run is finished.

        Raises:
            StoreError: it could not be written whole; the next attempt deletes what is there.
        """
        with errors_named():
            weights = {WEIGHTS_TAG: "absent"} if result.weights_absent else {}
            whole = self.start(experiment, result.whole, {**tags, **weights})
            for part in result.levels:
                child = self.start(experiment, part, {**tags, PARENT_TAG: whole})
                self._fill(child, part, result.dataset)
            self._fill(whole, result.whole, result.dataset)
            return whole

    def start(self, experiment: str, part: Part, tags: Mapping[str, str], *, is_current: bool = True) -> str:
        """Start the run of a part and return its id; nothing but tags is in it yet. Raises StoreError."""
        with errors_named():
            shown = {NOTE_TAG: lineage_note(tags), **colour_tag(part.labels)}
            tags = {**part.labels, **tags, **shown, CURRENT_TAG: _yes_no(is_current)}
            run = self._client.create_run(self._experiment_id(experiment), run_name=part.name, tags=tags)
            return run.info.run_id

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

    def end_as_failed(self, run_id: str) -> None:
        """End a run of which nothing more comes. Raises StoreError."""
        with errors_named():
            self._client.set_terminated(run_id, status="FAILED")

    def _fill(self, run_id: str, part: Part, dataset: Dataset | None) -> None:
        params = [Param(name, value) for name, value in part.params.items()]
        for some in _pieces(params, PARAMS_AT_ONCE):
            self._client.log_batch(run_id, params=some)
        self.add_points(run_id, part.points)
        if dataset is not None:
            self._client.log_inputs(run_id, datasets=[_dataset_input(dataset)])
        for file, folder in part.shown:
            self._client.log_artifact(run_id, str(file), folder or None)
        if part.weights is not None:
            self._log_model(run_id, part)
        self._client.set_terminated(run_id)

    def _log_model(self, run_id: str, part: Part) -> None:
        """The part's network as a model with a signature; its code goes with it, so that it loads anywhere."""
        model = self._client.create_logged_model(
            self._client.get_run(run_id).info.experiment_id,
            name=re.sub(r"[^\w@-]", "-", part.name),
            source_run_id=run_id,
            params=part.params,
            tags=part.labels,
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=UserWarning, module="mlflow")  # no type hints, no input example
            Model.log(
                artifact_path=None,
                flavor=mlflow.pyfunc,
                run_id=run_id,
                model_id=model.model_id,
                python_model=str(SERVED_MODEL),
                artifacts={"weights": str(part.weights)},
                code_paths=[str(Path(_served_code().name) / SERVED_PACKAGE.name)],
                signature=SERVED_SIGNATURE,
                pip_requirements=_requirements(),
            )

    def _experiment_id(self, experiment: str) -> str:
        """The MLflow experiment that shows it, created or brought back from the bin when it is not there."""
        name = mlflow_name(experiment, self._root)
        if name not in self._experiments:
            found = self._client.get_experiment_by_name(name)
            if found is None:
                found = self._client.get_experiment(self._client.create_experiment(name, self._artifact_location(name)))
            elif found.lifecycle_stage == "deleted":
                self._client.restore_experiment(found.experiment_id)
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


@cache
def _served_code() -> TemporaryDirectory:
    """A folder with the package `snnprune` cut down to what a served model needs; it goes when the process ends."""
    folder = TemporaryDirectory(prefix="served-code-")
    package = Path(folder.name) / SERVED_PACKAGE.name
    package.mkdir()
    for part in SERVED_PARTS:
        source = SERVED_PACKAGE / part
        if source.is_dir():
            shutil.copytree(source, package / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, package / part)
    return folder


@cache
def _requirements() -> list[str]:
    return [f"{name}=={version(name)}" for name in SERVED_REQUIREMENTS]


def _dataset_input(dataset: Dataset) -> DatasetInput:
    source = json.dumps({"uri": dataset.path})
    entity = DatasetEntity(dataset.name, dataset.md5, "local", source, profile=dataset.profile)
    return DatasetInput(entity, [InputTag("mlflow.data.context", "training")])


def _stage_run(run: Run) -> StageRun:
    tags = run.data.tags
    outputs = run.outputs.model_outputs if run.outputs else []
    return StageRun(
        run_id=run.info.run_id,
        key=tags[KEY_TAG],
        parent=tags.get(PARENT_TAG),
        is_finished=run.info.status == "FINISHED",
        is_current=tags[CURRENT_TAG] == YES,
        weights_absent=WEIGHTS_TAG in tags,
        model_ids=tuple(model.model_id for model in outputs),
    )


def _yes_no(value: bool) -> str:
    return YES if value else "false"


def _pieces(items: list[Item], size: int) -> Iterator[list[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _silence() -> None:
    """MLflow tells of each step of creating its database."""
    for name in ("mlflow.store.db.utils", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
