"""Makes sure that each result has exactly one finished run in MLflow, and that the newest ones are current. Imported
only when there is something to log: MLflow takes seconds to import."""

import logging
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import mlflow
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LifecycleStage, Metric, Param, Run
from mlflow.exceptions import MlflowException
from mlflow.store.db.db_types import DATABASE_ENGINES
from sqlalchemy.exc import SQLAlchemyError

from flows.engine.lockfile import Entry, key_of
from flows.redact import redact_values
from flows.tracking import costs
from flows.tracking.database import create_database
from flows.tracking.exports import attach
from flows.tracking.ledger import Logged, stamp_of, write_ledger
from flows.tracking.lineage import lineage_note, result_tags
from flows.tracking.location import local_database, store_folder, store_uri, trouble_with
from flows.tracking.model import log_model
from flows.tracking.runs import GROWING, Tag, judge
from flows.tracking.views import NOTE_TAG, colour_tag, experiment_tags
from pipeline.results.content import EVALUATE, EXPORT, Content, Point, are_weights_here, read_result
from pipeline.results.place import Place

# What says that the store cannot be used. A full disk is an OSError, a server that refuses a file its subclass
# requests.RequestException, a database that cannot be opened is SQLAlchemy's, and its driver may be missing.
ERRORS = (MlflowException, OSError, SQLAlchemyError, ImportError)

LOCK_SECONDS = 600.0  # another process logs one result, of hundreds of nets; one that hangs must not stop the work
AT_ONCE = 100  # params, MLflow's limit for one request


def promotion_lock(root: Path) -> FileLock:
    """Held from looking at the champion until the alias is moved: two at once would both replace the same one. And
    while runs are removed that no version was made from: one that is being made could lose its own."""
    return FileLock(store_folder(root) / "promotion.lock", timeout=LOCK_SECONDS)


class Store:
    """The open store: the server named by MLFLOW_TRACKING_URI, else one SQLite file in the project. `lineage` (tags of
    the flow run) goes with every run it logs, and `suffix` with every experiment's name. Every method raises one of
    ERRORS when the store cannot be reached, or refuses."""

    def __init__(self, root: Path, lineage: Mapping[str, str] | None = None, suffix: str = "") -> None:
        """Open it; a local database is created first, by one process at a time (others would ruin it)."""
        logging.getLogger("alembic").setLevel(logging.WARNING)  # it logs each step of creating the database
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # the same, and what it also raises
        self._root, self._suffix, self._folder = root, suffix, store_folder(root)
        self._database, uri = local_database(root), store_uri(root)
        self._lineage = lineage or {}
        if self._database is not None and (problem := trouble_with(self._database)):
            raise OSError(problem)
        self._experiments: dict[str, str] = {}
        self._growing: dict[str, str] = {}
        mlflow.set_tracking_uri(uri)  # logging models goes by this; it sets MLFLOW_TRACKING_URI too
        with self._lock():
            if self._database is not None:
                create_database(self._database)
            self._client = MlflowClient(tracking_uri=uri)
            self._client.search_experiments(max_results=1)

    def log(
        self, address: str, place: Place, entry: Entry, tags: Mapping[str, str] | None = None
    ) -> tuple[str, Logged, str]:
        """Log the result of one dvc.lock entry, unless it is there: "logged" or "present", its run, and the run's page.
        `tags` say how the result came about. What followed the stage while it ran is deleted, and so is a run that was
        left half written, or was written without weights once the weights are there: these are logged again. Raises
        ContentChanged: the result files are not those that dvc.lock names. What was exported goes to the runs of the
        nets; new ones of these have none yet, so the export counts as not whole until it is logged again."""
        key = key_of(entry)
        with self._lock():
            experiment = self._experiment_id(place.experiment)
            self._growing.pop(address, None)
            is_local, with_weights = self._database is not None, are_weights_here(self._root, place)
            found = judge(self._runs(experiment, address, key), key, with_weights=with_weights, is_local=is_local)
            result = None if found.there else read_result(self._root, place, entry)
            self._delete(found.stale)
            if result is None:
                logged = Logged(key, found.there.info.run_id, Tag.WEIGHTS not in found.there.data.tags)
            else:
                own = {**self._lineage, **result_tags(address, key, entry["cmd"]), **(tags or {}), Tag.CURRENT: "true"}
                if cost := costs.find(self._folder, key):
                    points = (Point(name, value) for name, value in cost.metrics.items())
                    labels = {**result.labels, **cost.tags}  # of this run alone, not of the nets below it
                    result = replace(result, labels=labels, points=[*result.points, *points])
                logged = Logged(key, self._write(experiment, result, own), result.is_whole)
            for run_id, is_current in found.relabel.items():
                self._client.set_tag(run_id, Tag.CURRENT, is_current)
            if place.labels["stage"] == EXPORT and with_weights:
                exports = (result or read_result(self._root, place, entry)).exports
                attach(self._client, experiment, exports, key)
            if place.labels["stage"] == EVALUATE and result:
                for run in self._runs(experiment, f"{EXPORT}@{place.experiment}"):
                    self._client.set_tag(run.info.run_id, Tag.WEIGHTS, "absent")
        uri = self._client.tracking_uri
        page = f"{uri}/#/experiments/{experiment}/runs/{logged.run_id}" if uri.startswith("http") else logged.run_id
        return "logged" if result else "present", logged, page

    def grow(self, address: str, place: Place, points: Sequence[Point], tags: Mapping[str, str]) -> None:
        """Add points to the run that follows a stage at work; the first ones start it, in the place of older ones."""
        with self._lock():
            experiment = self._experiment_id(place.experiment)
            if not self._is_growing(address):
                self._delete(run for run in self._runs(experiment, address) if run.data.tags[Tag.KEY] == GROWING)
                own = {**self._lineage, Tag.STAGE: address, Tag.KEY: GROWING, Tag.CURRENT: "false", **tags}
                self._growing[address] = self._start(experiment, Content(place.name, place.labels), own)
            self._log_values(self._growing[address], points, {})

    def fail(self, address: str) -> None:
        """End the run that follows a stage which did not finish as failed."""
        if self._is_growing(address):
            self._client.set_terminated(self._growing.pop(address), status="FAILED")

    def write_ledger(self, experiments: Iterable[str]) -> None:
        """Note the results in a local store of these experiments about whose runs nothing is left to do."""
        if self._database is None:
            return
        with self._lock():
            stamp = stamp_of(self._database)
            logged: dict[str, dict[str, Logged]] = {name + self._suffix: {} for name in experiments}
            for name in experiments:
                stages = defaultdict(list)
                for run in self._runs(self._experiment_id(name)):
                    stages[run.data.tags.get(Tag.STAGE)].append(run)
                for address, runs in stages.items():
                    key = next((run.data.tags[Tag.KEY] for run in runs if run.data.tags.get(Tag.CURRENT) == "true"), "")
                    found = judge(runs, key, with_weights=False, is_local=True)
                    if found.there and not found.stale and not found.relabel:
                        is_whole = Tag.WEIGHTS not in found.there.data.tags
                        logged[name + self._suffix][address] = Logged(key, found.there.info.run_id, is_whole)
            if stamp is not None:
                write_ledger(self._database, stamp, logged)

    def _lock(self) -> FileLock:
        """Held from looking for a run until it is written, so that no two processes write it twice."""
        self._folder.mkdir(exist_ok=True)
        return FileLock(self._folder / "tracking.lock", timeout=LOCK_SECONDS)

    def _runs(self, experiment: str, address: str | None = None, key: str = "") -> list[Run]:
        """The runs of one stage or of all, children included, about which there may be something to do: those of the
        result `key`, current ones, and those that follow a stage. Others are of results that newer ones replaced, and
        may be thousands."""
        stage = f"tags.{Tag.STAGE} = '{address}'" if address else f"tags.{Tag.STAGE} != ''"
        keys = [f"tags.{Tag.KEY} = '{one}'" for one in (GROWING, key) if one]
        runs: dict[str, Run] = {}

        def add(condition: str) -> None:
            found = mlflow.search_runs([experiment], f"{stage} and {condition}", output_format="list")
            runs.update((run.info.run_id, run) for run in found)

        for condition in (f"tags.{Tag.CURRENT} = 'true'", *keys):
            add(condition)
        parents = {run.data.tags[Tag.PARENT] for run in runs.values() if Tag.PARENT in run.data.tags}
        if missing := sorted(parents - runs.keys()):  # somebody was killed who changed what is current
            add(f"attributes.run_id IN ({', '.join(map(repr, missing))})")
        return list(runs.values())

    def _delete(self, runs: Iterable[Run]) -> None:
        for run in runs:
            for model in run.outputs.model_outputs if run.outputs else []:
                self._client.delete_logged_model(model.model_id)
            self._client.delete_run(run.info.run_id)

    def _write(self, experiment: str, content: Content, tags: Mapping[str, str]) -> str:
        """Write a run with its children; its id. It is finished last: then all is there."""
        weights = {} if content.is_whole else {Tag.WEIGHTS: "absent"}
        run_id = self._start(experiment, content, {**tags, **weights, Tag.CHILDREN: str(len(content.children))})
        for child in content.children:
            self._write(experiment, child, {**tags, Tag.PARENT: run_id})
        self._fill(experiment, run_id, content)
        return run_id

    def _start(self, experiment: str, content: Content, tags: Mapping[str, str]) -> str:
        """Start a run with nothing but its tags; its id."""
        shown = redact_values(tags)
        seen = {NOTE_TAG: lineage_note(shown), **colour_tag(content.labels)}
        run = self._client.create_run(experiment, run_name=content.name, tags={**content.labels, **shown, **seen})
        return run.info.run_id

    def _fill(self, experiment: str, run_id: str, content: Content) -> None:
        """Log everything else, and finish the run."""
        content = replace(content, params=redact_values(content.params))
        model_id = log_model(self._client, experiment, run_id, content) if content.weights is not None else None
        self._log_values(run_id, content.points, content.params, model_id)
        if content.dataset is not None:
            given = DatasetInput(Dataset(**content.dataset), [InputTag("mlflow.data.context", "training")])
            self._client.log_inputs(run_id, datasets=[given])
        for path in content.artifacts:
            if path.is_dir():
                self._client.log_artifacts(run_id, str(path), path.name)
            else:
                self._client.log_artifact(run_id, str(path))
        self._client.set_terminated(run_id)

    def _log_values(
        self, run_id: str, points: Sequence[Point], params: Mapping[str, str], model_id: str | None = None
    ) -> None:
        now = int(time.time() * 1000)
        metrics = [Metric(point.name, point.value, now, point.step, model_id) for point in points]
        texts = [Param(name, value) for name, value in params.items()]
        for start in range(0, max(len(metrics), len(texts)), AT_ONCE):
            end = start + AT_ONCE
            self._client.log_batch(run_id, metrics=metrics[start:end], params=texts[start:end])

    def _is_growing(self, address: str) -> bool:
        """Whether a run follows the stage; a user, or another flow with a result of the stage, may delete it."""
        run_id = self._growing.get(address)
        return run_id is not None and self._client.get_run(run_id).info.lifecycle_stage == LifecycleStage.ACTIVE

    def _experiment_id(self, experiment: str) -> str:
        """The MLflow experiment for it, created or restored from the bin when it is not there."""
        name = experiment + self._suffix
        if name not in self._experiments:
            engine = re.split("[+:]", self._client.tracking_uri)[0]  # postgresql+psycopg://...
            files = (self._folder / "artifacts" / name).as_uri()
            found = self._client.get_experiment_by_name(name)
            if found is None:
                # A database holds no files, and MLflow's default depends on the working folder; a server has its own.
                new = self._client.create_experiment(name, files if engine in DATABASE_ENGINES else None)
                found = self._client.get_experiment(new)
            elif found.lifecycle_stage == LifecycleStage.DELETED:
                self._client.restore_experiment(found.experiment_id)
            if engine in DATABASE_ENGINES and found.artifact_location != files:  # MLflow keeps absolute paths
                raise OSError(f"it keeps the files of {name} in {found.artifact_location}, not in {files}")
            for key, value in experiment_tags(found.experiment_id).items():
                if key not in found.tags:  # what a user has changed stays
                    self._client.set_experiment_tag(found.experiment_id, key, value)
            self._experiments[name] = found.experiment_id
        return self._experiments[name]
