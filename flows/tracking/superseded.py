"""MLflow runs whose result no dvc.lock names any more and whose place newer ones have taken, and how they are removed.
What a registered model version was made from always stays."""

import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, Run, ViewType
from mlflow.utils import get_results_from_paginated_fn

from flows.tracking.location import local_database, store_folder, store_uri
from flows.tracking.runs import Tag

PAGE = 1000


@dataclass(frozen=True)
class Superseded:
    """Runs that can go, and the folders of their files and models as far as they are on this machine."""

    runs: list[Run]
    folders: list[Path]


def find_superseded(root: Path, kept: Collection[str]) -> Superseded:
    """The runs of this project's stages, and what is in MLflow's bin of them, whose key is not `kept` and which are not
    current. What other projects log to the same database is left, and a server's runs are: whose they are, only it
    knows. Who removes them holds `promotion_lock` from before this until then. Raises one of
    `flows.tracking.store.ERRORS`."""
    database, files = local_database(root), store_folder(root) / "artifacts"
    if store_uri(root).startswith("http") or (database is not None and not database.is_file()):
        return Superseded([], [])
    client = MlflowClient(store_uri(root))
    experiments = _all(client.search_experiments, ViewType.ALL)
    own = [found.experiment_id for found in experiments if found.artifact_location == (files / found.name).as_uri()]
    runs = [run for one in own for run in _all(client.search_runs, [one], f"tags.{Tag.STAGE} != ''", ViewType.ALL)]
    registered = {version.run_id for version in _all(client.search_model_versions)}
    held = {_result(run) for run in runs if run.info.run_id in registered}

    def can_go(run: Run) -> bool:
        if run.info.lifecycle_stage != LifecycleStage.DELETED and (
            run.data.tags.get(Tag.KEY) in kept or run.data.tags.get(Tag.CURRENT) == "true"
        ):
            return False
        return _result(run) not in held

    chosen = [run for run in runs if can_go(run)]
    folders = []
    for run in chosen:
        folders.append(_folder(run.info.artifact_uri).parent)
        folders += [_folder(_store(client).get_logged_model(name, True).artifact_location) for name in _models(run)]
    return Superseded(chosen, [folder for folder in folders if folder.is_dir() and folder.is_relative_to(files)])


def remove_superseded(root: Path, found: Superseded) -> None:
    """Remove them from the database, with their files. Raises one of `flows.tracking.store.ERRORS`."""
    store = _store(MlflowClient(store_uri(root)))
    with FileLock(store_folder(root) / "tracking.lock"):
        for run in found.runs:  # as `mlflow gc` does, which has no public way
            for model in _models(run):
                store._hard_delete_logged_model(model)
            store._hard_delete_run(run.info.run_id)
    for folder in found.folders:
        shutil.rmtree(folder)


def _store(client: MlflowClient) -> Any:
    return client._tracking_client.store


def _all(search: Callable[..., list], *query: Any) -> list:
    """What all pages of one of the client's searches hold."""
    return get_results_from_paginated_fn(lambda size, token: search(*query, max_results=size, page_token=token), PAGE)


def _result(run: Run) -> tuple[str, str | None, str | None]:
    """What a stage's run and its children have in common."""
    return run.info.experiment_id, run.data.tags.get(Tag.STAGE), run.data.tags.get(Tag.KEY)


def _models(run: Run) -> list[str]:
    return [output.model_id for output in run.outputs.model_outputs] if run.outputs else []


def _folder(uri: str) -> Path:
    """The folder that a file: URI names."""
    return Path(unquote(urlsplit(uri).path))
