"""Logs a network as an MLflow model with a signature, its code and its requirements, so that it loads anywhere."""

import json
import re
import shutil
import warnings
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow.pyfunc
import numpy as np
from mlflow import MlflowClient
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

import snnprune
from pipeline.results.content import Content

CODE = Path(__file__).with_name("served_model.py")
PACKAGE = Path(snnprune.__file__).parent
PARTS = ("__init__.py", "core", "sparse")  # what CODE imports of it
REQUIREMENTS = ("mlflow", "numba", "numpy", "pydantic", "safetensors", "snntorch", "torch")
FLOAT = np.dtype("float32")


def log_model(client: MlflowClient, experiment_id: str, run_id: str, content: Content) -> None:
    """Log the network in `content.weights` as a model of the run."""
    name = re.sub(r"[^\w@-]", "-", content.name)
    about = {"params": dict(content.params), "tags": dict(content.labels)}
    model = client.create_logged_model(experiment_id, name=name, source_run_id=run_id, **about)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="mlflow")  # no type hints, no input example
        Model.log(
            artifact_path=None,
            flavor=mlflow.pyfunc,
            run_id=run_id,
            model_id=model.model_id,
            python_model=str(CODE),
            artifacts={"weights": str(content.weights)},
            code_paths=[str(Path(_code().name) / PACKAGE.name)],
            signature=signature_of(content.dataset or {}),
            # Without `+cpu` and the like: the public index has no such version.
            pip_requirements=[f"{name}=={version(name).partition('+')[0]}" for name in REQUIREMENTS],
        )


def signature_of(dataset: Mapping[str, str]) -> ModelSignature:
    """What a network of this dataset (`Content.dataset`) takes, images [B, C, H, W] or frames of events [B, T, C, H,
    W], and gives, spike counts [B, classes]."""
    sample = json.loads(dataset.get("profile", "{}")).get("shape", (1, 1, 1))
    return ModelSignature(*(Schema([TensorSpec(FLOAT, (-1,) * size)]) for size in (1 + len(sample), 2)))


@cache
def _code() -> TemporaryDirectory:
    """A folder with the parts of the package that a served model needs; it is removed when the process ends."""

    def left_out(folder: str, names: list[str]) -> set[str]:
        return set(names).difference(PARTS) if Path(folder) == PACKAGE else {"__pycache__"}

    folder = TemporaryDirectory(prefix="served-code-")
    shutil.copytree(PACKAGE, Path(folder.name) / PACKAGE.name, ignore=left_out)
    return folder
