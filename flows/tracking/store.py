"""Makes sure that each result has exactly one finished run in MLflow, and that the newest ones are current.

Imported only when there is something to log: MLflow takes seconds to import.
"""

import json
import logging
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import mlflow
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Dataset as DatasetEntity
from mlflow.entities import DatasetInput, InputTag, LifecycleStage, Metric, Param, Run
from mlflow.exceptions import MlflowException
from mlflow.store.db.db_types import DATABASE_ENGINES
from sqlalchemy.exc import SQLAlchemyError

from flows.engine.lockfile import Entry, key_of
from flows.tracking.ledger import Logged, stamp_of, write_ledger
from flows.tracking.lineage import COMMAND_TAG, KEY_TAG, STAGE_TAG, commit_tags, lineage_note
from flows.tracking.location import local_database, local_uri, store_folder, store_uri
from flows.tracking.model import log_model
from flows.tracking.results import Content, Dataset, Place, Point, Result, are_weights_here, read_result
from flows.tracking.runs import GROWING, StageRun, find, settled, stale
from flows.tracking.views import NOTE_TAG, colour_tag, experiment_tags

# What says that the store cannot be used. A full disk is an OSError, a server that refuses a file its subclass
# requests.RequestException, a database that cannot be opened is SQLAlchemy's, and its driver may be missing.
ERRORS = (MlflowException, OSError, SQLAlchemyError, ImportError)

CURRENT_TAG = "current"
CHILDREN_TAG = "children"
WEIGHTS_TAG = "weights"
PARENT_TAG = "mlflow.parentRunId"
IS_CURRENT = {True: "true", False: "false"}

ARTIFACTS = "artifacts"
LOCK = "tracking.lock"
LOCK_SECONDS = 600.0  # another process logs one result, of hundreds of nets; one that hangs must not stop the work
AT_ONCE = {"params": 100, "metrics": 1000}  # MLflow's limits for one request


class Store:
    """The open store: the server named by MLFLOW_TRACKING_URI, else one SQLite file in the project.

    `lineage` (tags of the flow run) goes with every run it logs, and `suffix` with every experiment's name. Every
    method raises one of ERRORS when the store cannot be reached, or refuses.
    """

    def __init__(self, root: Path, lineage: Mapping[str, str] | None = None, suffix: str = "") -> None:
        """Open it; a local database is created first, by one process at a time (others would ruin it)."""
        for name in ("mlflow.store.db.utils", "alembic"):  # they log each step of creating the database
            logging.getLogger(name).setLevel(logging.WARNING)
        self._root, self._suffix, self._folder = root, suffix, store_folder(root)
        self._database = local_database(root)
        self._lineage = {**commit_tags(root), **(lineage or {})}
        self._experiments: dict[str, str] = {}
        self._growing: dict[str, str] = {}
        mlflow.set_tracking_uri(store_uri(root))  # logging models goes by this; it sets MLFLOW_TRACKING_URI too
        with self._lock():
            if self._database is not None:
                _create_database(self._database)
            self._client = MlflowClient(tracking_uri=store_uri(root))
            self._client.search_experiments(max_results=1)

    def log(
        self, address: str, place: Place, entry: Entry, tags: Mapping[str, str] | None = None
    ) -> tuple[str, Logged, str]:
        """Log the result of one dvc.lock entry, unless it is there: "logged" or "present", its run, and the run's page.

        `tags` say how the result came about. What followed the stage while it ran is deleted, and so is a run that was
        left half written, or was written without weights once the weights are there: these are logged again.

        Raises:
            ContentChanged: the result files are not those that dvc.lock names.
        """
        key = key_of(entry)
        with self._lock():
            experiment = self._experiment_id(place.experiment)
            self._growing.pop(address, None)
            runs = self._runs_of(experiment, address)
            there = find(runs, key, with_weights=are_weights_here(self._root, place))
            result = read_result(self._root, place, entry) if there is None else None
            to_delete = stale(runs, key, there, is_local=self._database is not None)
            self._delete(to_delete)
            if result is None:
                logged = Logged(key, there.run_id, not there.weights_absent)
            else:
                own = {STAGE_TAG: address, KEY_TAG: key, COMMAND_TAG: entry["cmd"], "mlflow.source.name": entry["cmd"]}
                run_id = self._write(experiment, result, {**self._lineage, **own, **(tags or {})})
                logged = Logged(key, run_id, not result.weights_absent)
            for run in runs:
                if run not in to_delete and run.is_current != (run.key == key):
                    self._client.set_tag(run.run_id, CURRENT_TAG, IS_CURRENT[run.key == key])
        uri = self._client.tracking_uri
        page = f"{uri}/#/experiments/{experiment}/runs/{logged.run_id}" if uri.startswith("http") else logged.run_id
        return "logged" if result else "present", logged, page

    def grow(self, address: str, place: Place, points: Sequence[Point], tags: Mapping[str, str]) -> None:
        """Add points to the run that follows a stage at work; the first ones start it, in the place of older ones."""
        with self._lock():
            experiment = self._experiment_id(place.experiment)
            if not self._is_growing(address):
                self._delete([run for run in self._runs_of(experiment, address) if run.key == GROWING])
                all_tags = {**self._lineage, STAGE_TAG: address, KEY_TAG: GROWING, **tags}
                content = Content(place.name, place.labels, {})
                self._growing[address] = self._start(experiment, content, all_tags, is_current=False)
            self._add_points(self._growing[address], points)

    def fail(self, address: str) -> None:
        """End the run that follows a stage which did not finish as failed."""
        if self._is_growing(address):
            self._client.set_terminated(self._growing.pop(address), status="FAILED")

    def write_ledger(self, experiments: Iterable[str]) -> None:
        """Note what a local store has of these experiments."""
        if self._database is None:
            return
        with self._lock():
            stamp = stamp_of(self._database)
            logged: dict[str, dict[str, Logged]] = {}
            for name in experiments:
                stages = defaultdict(list)
                for run in mlflow.search_runs([self._experiment_id(name)], output_format="list"):
                    if STAGE_TAG in run.data.tags:
                        stages[run.data.tags[STAGE_TAG]].append(_stage_run(run))
                found = {address: run for address, runs in stages.items() if (run := settled(runs))}
                logged[name + self._suffix] = {
                    address: Logged(run.key, run.run_id, not run.weights_absent) for address, run in found.items()
                }
            if stamp is not None:
                write_ledger(self._database, stamp, logged)

    def _lock(self) -> FileLock:
        """Held from looking for a run until it is written, so that no two processes write it twice."""
        self._folder.mkdir(exist_ok=True)
        return FileLock(self._folder / LOCK, timeout=LOCK_SECONDS)

    def _runs_of(self, experiment: str, address: str) -> list[StageRun]:
        """Every run of a stage, children included."""
        found = mlflow.search_runs([experiment], f"tags.{STAGE_TAG} = '{address}'", output_format="list")
        return [_stage_run(run) for run in found]

    def _delete(self, runs: Iterable[StageRun]) -> None:
        for run in runs:
            for model_id in run.model_ids:
                self._client.delete_logged_model(model_id)
            self._client.delete_run(run.run_id)

    def _write(self, experiment: str, result: Result, tags: Mapping[str, str]) -> str:
        """Write a result as a run with its children; its id. It is finished last: then all is there."""
        weights = {WEIGHTS_TAG: "absent"} if result.weights_absent else {}
        run_id = self._start(experiment, result.stage, {**tags, **weights, CHILDREN_TAG: str(len(result.children))})
        for content in result.children:
            child = self._start(experiment, content, {**tags, PARENT_TAG: run_id})
            self._fill(experiment, child, content, result.dataset)
        self._fill(experiment, run_id, result.stage, result.dataset)
        return run_id

    def _start(self, experiment: str, content: Content, tags: Mapping[str, str], *, is_current: bool = True) -> str:
        """Start a run with nothing but its tags; its id."""
        seen = {NOTE_TAG: lineage_note(tags), **colour_tag(content.labels), CURRENT_TAG: IS_CURRENT[is_current]}
        run = self._client.create_run(experiment, run_name=content.name, tags={**content.labels, **tags, **seen})
        return run.info.run_id

    def _fill(self, experiment: str, run_id: str, content: Content, dataset: Dataset | None) -> None:
        """Log everything else, and finish the run."""
        self._log_batches(run_id, "params", [Param(name, value) for name, value in content.params.items()])
        self._add_points(run_id, content.points)
        if dataset is not None:
            source = json.dumps({"uri": dataset.path})
            entity = DatasetEntity(dataset.name, dataset.md5, "local", source, profile=dataset.profile)
            tags = [InputTag("mlflow.data.context", "training")]
            self._client.log_inputs(run_id, datasets=[DatasetInput(entity, tags)])
        for file, folder in content.artifacts:
            self._client.log_artifact(run_id, str(file), folder or None)
        if content.weights is not None:
            log_model(self._client, experiment, run_id, content)
        self._client.set_terminated(run_id)

    def _add_points(self, run_id: str, points: Iterable[Point]) -> None:
        now = int(time.time() * 1000)
        self._log_batches(run_id, "metrics", [Metric(point.name, point.value, now, point.step) for point in points])

    def _log_batches(self, run_id: str, kind: str, items: Sequence[Param] | Sequence[Metric]) -> None:
        for start in range(0, len(items), AT_ONCE[kind]):
            self._client.log_batch(run_id, **{kind: items[start : start + AT_ONCE[kind]]})

    def _is_growing(self, address: str) -> bool:
        """Whether a run follows the stage; a user, or another flow with a result of the stage, may delete it."""
        run_id = self._growing.get(address)
        return run_id is not None and self._client.get_run(run_id).info.lifecycle_stage == LifecycleStage.ACTIVE

    def _experiment_id(self, experiment: str) -> str:
        """The MLflow experiment for it, created or restored from the bin when it is not there."""
        name = experiment + self._suffix
        if name not in self._experiments:
            engine = re.split("[+:]", self._client.tracking_uri)[0]  # postgresql+psycopg://...
            files = (self._folder / ARTIFACTS / name).absolute().as_uri()
            found = self._client.get_experiment_by_name(name)
            if found is None:
                # A database holds no files, and MLflow's default depends on the working folder; a server has its own.
                new = self._client.create_experiment(name, files if engine in DATABASE_ENGINES else None)
                found = self._client.get_experiment(new)
            elif found.lifecycle_stage == LifecycleStage.DELETED:
                self._client.restore_experiment(found.experiment_id)
            if self._database is not None and found.artifact_location != files:  # MLflow keeps absolute paths
                raise OSError(f"the folder was moved; remove {self._folder.name}/ to start anew")
            for key, value in experiment_tags(found.experiment_id).items():
                if key not in found.tags:  # what a user has changed stays
                    self._client.set_experiment_tag(found.experiment_id, key, value)
            self._experiments[name] = found.experiment_id
        return self._experiments[name]


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
        is_current=tags.get(CURRENT_TAG) == IS_CURRENT[True],
        weights_absent=WEIGHTS_TAG in tags,
        children=int(tags.get(CHILDREN_TAG, 0)),
        model_ids=tuple(model.model_id for model in outputs),
    )
