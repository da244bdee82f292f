"""Logs a network as an MLflow model with a signature, its code and its requirements, so that it loads anywhere."""

import json
import re
import shutil
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow.pyfunc
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.models import Model, ModelSignature
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.types import Schema, TensorSpec

import snnprune
from pipeline.results.content import Content

CODE = Path(__file__).with_name("served_model.py")
PACKAGE = Path(snnprune.__file__).parent
PARTS = ("__init__.py", "core", "sparse")  # what CODE imports of it
WEIGHTS = "weights.safetensors"
REQUIREMENTS = ("mlflow", "numba", "numpy", "pydantic", "safetensors", "snntorch", "torch")
FLOAT = np.dtype("float32")


def log_model(client: MlflowClient, experiment_id: str, run_id: str, content: Content) -> str:
    """Log the network in `content.weights` as a model of the run; its id."""
    name = re.sub(r"[^\w@-]", "-", content.name)
    tags, params = dict(content.labels), dict(content.params)
    model = client.create_logged_model(experiment_id, name=name, source_run_id=run_id, tags=tags, params=params)
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    folder = Path(_blank().name) / "model"
    about = Model.load(folder)
    about.artifact_path, about.run_id, about.model_id = model.artifact_location, run_id, model.model_id
    about.model_uuid, about.utc_time_created = model.model_id, str(datetime.now(UTC).replace(tzinfo=None))
    about.signature = signature_of(content.dataset or {})
    about.flavors[mlflow.pyfunc.FLAVOR_NAME]["artifacts"]["weights"]["uri"] = str(content.weights)
    about.model_size_bytes = content.weights.stat().st_size
    about.save(folder / MLMODEL_FILE_NAME)
    shutil.copyfile(content.weights, folder / "artifacts" / WEIGHTS)
    client.log_model_artifacts(model.model_id, str(folder))
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    return model.model_id


def signature_of(dataset: Mapping[str, str]) -> ModelSignature:
    """What a network of this dataset (`Content.dataset`) takes, images [B, C, H, W] in 0..1 or frames of events
    [B, T, C, H, W], and gives, spike counts [B, classes]; -1 is any number, also where the dataset does not say it."""
    about = json.loads(dataset.get("profile", "{}"))
    shape, classes = tuple(about.get("shape", (-1, -1, -1))), about.get("classes", -1)
    return ModelSignature(*(Schema([TensorSpec(FLOAT, size)]) for size in ((-1, *shape), (-1, classes))))


@cache
def _blank() -> TemporaryDirectory:
    """A folder with `model`, as MLflow saves it, which takes longer than all the rest of logging a network; only its
    weights and what says whose they are differ from net to net. It is removed when the process ends."""

    def left_out(folder: str, names: list[str]) -> set[str]:
        return set(names).difference(PARTS) if Path(folder) == PACKAGE else {"__pycache__"}

    folder = TemporaryDirectory(prefix="served-")
    code, weights = Path(folder.name, PACKAGE.name), Path(folder.name, WEIGHTS)
    shutil.copytree(PACKAGE, code, ignore=left_out)
    weights.touch()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="mlflow")  # no type hints, no input example
        mlflow.pyfunc.save_model(
            Path(folder.name, "model"),
            python_model=str(CODE),
            artifacts={"weights": str(weights)},
            code_paths=[str(code)],
            signature=signature_of({}),
            # Without `+cpu` and the like: the public index has no such version.
            pip_requirements=[f"{name}=={version(name).partition('+')[0]}" for name in REQUIREMENTS],
        )
    return folder
