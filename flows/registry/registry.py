"""Registers a logged net in MLflow's model registry and moves its alias, with the evidence as tags of the version."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from flows.engine.lockfile import Entry
from flows.tracking.lineage import commit_tags
from flows.tracking.location import store_folder
from flows.tracking.runs import Tag
from flows.tracking.store import ERRORS, Store
from pipeline.io.nets import DENSE, level_text, net_name
from pipeline.promotion.choice import Candidate
from pipeline.promotion.verdict import Champion, Verdict
from pipeline.results.place import place_of
from snnprune.core.errors import UserError

__all__ = ["ERRORS", "Logged", "Registry"]

NET = "weights_sha256"  # the tag by which a net that is registered already is found
SERVED = "served"  # the folder beside the store
COPIED = ("git_commit", "git_dirty", "dvc_hash")  # from the run's tags to the version's
NO_SUCH = (ErrorCode.Name(RESOURCE_DOES_NOT_EXIST), "INVALID_PARAMETER_VALUE")  # what MLflow says of an unknown alias


@dataclass(frozen=True)
class Logged:
    """A net's run: its model, the digest of the dataset it was trained on, and where it comes from."""

    run_id: str
    model_id: str
    dataset: str
    lineage: Mapping[str, str]


class Registry:
    """The registry beside the project's store. Every method raises one of ERRORS when it cannot be reached, or
    refuses."""

    def __init__(self, root: Path, suffix: str = "") -> None:
        """Open the store; `suffix` is the end of the name of its experiments."""
        self._root = root
        self._store = Store(root, commit_tags(root), suffix)
        self._client = MlflowClient()

    def logged(self, address: str, entry: Entry, net: str) -> Logged:
        """The run of a net of a stage `evaluate` and the model that it logged; what is not logged yet is logged now.
        Raises UserError: its weights are not here, or it runs the user's own forward, which no model holds."""
        place = place_of(out["path"] for out in entry["outs"])
        _, stage, _ = self._store.log(address, place, entry)
        parent = self._client.get_run(stage.run_id)
        query = f"tags.`{Tag.PARENT}` = '{stage.run_id}' and tags.kind = 'net' and run_name = '{net}'"
        run = next(iter(self._client.search_runs([parent.info.experiment_id], query)), None)
        if run is None:
            raise UserError(f"{net}: MLflow has no run of it below {parent.info.run_name}; run `snnprune track`")
        if not run.outputs or not run.outputs.model_outputs:
            raise UserError(
                f"{net}: its run has no model: its weights are not here (snnprune pull {place.experiment}), or it runs "
                "a forward of your own, which loads nowhere else"
            )
        return Logged(run.info.run_id, run.outputs.model_outputs[0].model_id, _digest(run), _lineage(run))

    def holder(self, model: str, alias: str) -> ModelVersion | None:
        """The version that has the alias; None without."""
        try:
            return self._client.get_model_version_by_alias(model, alias)
        except MlflowException as error:
            if error.error_code in NO_SUCH:
                return None
            raise

    def register(
        self, model: str, candidate: Candidate, logged: Logged, experiment: str, sha256: str
    ) -> tuple[ModelVersion, bool]:
        """The version of these weights in the registry, and whether it is new."""
        query = f"name = '{model}' and tags.{NET} = '{sha256}' and tags.experiment = '{experiment}'"
        if known := self._client.search_model_versions(query):
            return min(known, key=lambda one: int(one.version)), False
        if not self._client.search_registered_models(f"name = '{model}'"):
            self._client.create_registered_model(model, description="Pruned nets; the alias says which one is served.")
        about = {"experiment": experiment, "net": candidate.net, "method": candidate.method}
        about |= {"level": level_text(candidate.level), "seed": str(candidate.seed)}
        tags = {NET: sha256, **about, "dataset_digest": logged.dataset, **logged.lineage}
        source = f"models:/{logged.model_id}"
        new = self._client.create_model_version(model, source, logged.run_id, tags=tags, model_id=logged.model_id)
        return new, True

    def decide(
        self, version: ModelVersion, alias: str, candidate: Candidate, verdict: Verdict, delta: float, opponent: str
    ) -> None:
        """Tag the version with the verdict and what it rests on, and move the alias if it says so."""
        found = verdict.difference
        shown = {} if found is None else {"mean": found.mean, "low": found.low, "high": found.high, "seeds": found.n}
        tags = {f"difference_{key}": json.dumps(value) for key, value in shown.items()}
        tags |= _evidence(candidate) | {
            "delta": json.dumps(delta),
            "compared_with": opponent,
            "verdict": verdict.reason,
        }
        for key, value in tags.items():
            self._client.set_model_version_tag(version.name, version.version, key, value)
        if verdict.moves:
            self._client.set_registered_model_alias(version.name, alias, version.version)

    def fetch(self, version: ModelVersion) -> tuple[Path, tuple[int, ...]]:
        """A copy of a version's model, and the shape of what it takes (-1: any number). It is kept beside the store,
        with what numba compiles of the code that the model carries."""
        folder = self._copy(version.run_id, f"models:/{version.name}/{version.version}")
        return folder, Model.load(folder).get_input_schema().inputs[0].shape

    def fetch_dense(self, version: ModelVersion) -> Path:
        """The same of the dense net of its seed. Raises UserError: MLflow has no such run beside the version's."""
        run = self._client.get_run(version.run_id)
        name = net_name(DENSE, 0.0, int(version.tags["seed"]))
        query = f"tags.`{Tag.PARENT}` = '{run.data.tags[Tag.PARENT]}' and run_name = '{name}'"
        dense = next(iter(self._client.search_runs([run.info.experiment_id], query)), None)
        if dense is None or not dense.outputs or not dense.outputs.model_outputs:
            raise UserError(f"{name}: MLflow has no model of it beside {version.tags['net']}")
        return self._copy(dense.info.run_id, f"models:/{dense.outputs.model_outputs[0].model_id}")

    def _copy(self, run_id: str, model: str) -> Path:
        folder = store_folder(self._root) / SERVED / run_id
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=folder.parent) as partial:
                whole = Path(download_artifacts(model, dst_path=partial))
                try:
                    whole.rename(folder)
                except OSError:
                    if not folder.is_dir():  # else another process has fetched the same meanwhile
                        raise
        return folder

    def names(self) -> list[str]:
        """Of all registered models."""
        return sorted(model.name for model in mlflow.search_registered_models())  # the client's gives a page

    def aliases(self, model: str) -> list[str]:
        """Of a model."""
        return sorted(self._client.get_registered_model(model).aliases)


def champion_of(version: ModelVersion) -> Champion:
    """What its tags say of it. A version that somebody else registered has none, so that nothing compares with it."""
    tags = version.tags
    accuracies = {int(seed): value for seed, value in json.loads(tags.get("validation_accuracies", "{}")).items()}
    return Champion(
        title_of(version), tags.get("experiment", "none that its tags name"), tags.get("dataset_digest", ""), accuracies
    )


def title_of(version: ModelVersion) -> str:
    """`version 3 (cqp@0.95/seed1)`."""
    return f"version {version.version} ({version.tags.get('net', 'not registered by snnprune promote')})"


def _evidence(candidate: Candidate) -> dict[str, str]:
    """Why it was chosen, by the results as they are now."""
    return {
        "constraint": candidate.constraint,
        "validation_accuracies": json.dumps(dict(candidate.accuracies)),
        "validation_mean": json.dumps(candidate.mean),
        f"energy_once_pj_{candidate.profile}": json.dumps(candidate.energy_pj),
        f"energy_saved_{candidate.profile}": json.dumps(candidate.saved),
    }


def _digest(run: Run) -> str:
    return run.inputs.dataset_inputs[0].dataset.digest


def _lineage(run: Run) -> dict[str, str]:
    return {key: run.data.tags[key] for key in COPIED if key in run.data.tags}
