"""Puts what was exported of a net, with its cards, among the artifacts of that net's run."""

from collections.abc import Mapping
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from flows.tracking.runs import Tag

FOLDER = "export"  # among a run's artifacts; in it a folder for each target


def attach(client: MlflowClient, experiment_id: str, exports: Mapping[str, Path], key: str) -> None:
    """Upload each net's folder to its current run, unless that holds those of the result `key`; what it holds of
    another result is removed. A net that has no run is left out: it has none before its stage `evaluate` is logged."""
    query = f"tags.kind = 'net' and tags.{Tag.CURRENT} = 'true'"
    for run in mlflow.search_runs([experiment_id], query, output_format="list"):
        held, folder = run.data.tags.get(Tag.EXPORTS), exports.get(run.info.run_name)
        if held == (None if folder is None else key):
            continue
        if held is not None:
            get_artifact_repository(run.info.artifact_uri).delete_artifacts(FOLDER)
            client.delete_tag(run.info.run_id, Tag.EXPORTS)
        if folder is not None:
            client.log_artifacts(run.info.run_id, str(folder), FOLDER)
            client.set_tag(run.info.run_id, Tag.EXPORTS, key)
