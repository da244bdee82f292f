"""The tiny project's comparison as a test wants it, and what MLflow's registry holds afterwards."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from tests.flows.conftest import store_of

TABLE = Path("results/tiny/compare/comparison.csv")


def measure(root: Path, accuracies: Mapping[tuple[str, float], list[float]]) -> None:
    """Write validation accuracies, by method and level a value per seed, as stage compare would have."""
    table = pd.read_csv(root / TABLE)
    for (method, level), values in accuracies.items():
        table.loc[(table["method"] == method) & (table["level"] == level), "validation_accuracy"] = values
    before = hashlib.md5((root / TABLE).read_bytes()).hexdigest()
    table.to_csv(root / TABLE, index=False)
    lock = (root / "dvc.lock").read_text()
    (root / "dvc.lock").write_text(lock.replace(before, hashlib.md5((root / TABLE).read_bytes()).hexdigest()))


def champion(root: Path, model: str = "tiny", alias: str = "champion") -> ModelVersion:
    """The version that has the alias."""
    return MlflowClient(store_of(root)).get_model_version_by_alias(model, alias)


def versions(root: Path, model: str = "tiny") -> list[str]:
    """The nets registered, in the order of their versions."""
    found = MlflowClient(store_of(root)).search_model_versions(f"name = '{model}'")
    return [one.tags["net"] for one in sorted(found, key=lambda one: int(one.version))]
