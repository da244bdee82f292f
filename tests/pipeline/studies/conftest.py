"""The tiny dense net of `made.py`, trained once by the stage, for the pure functions of the studies."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pipeline.io import paths
from pipeline.io.store import load_dataset
from pipeline.stages import train
from snnprune.core.dataset import Dataset
from snnprune.pruning.params import PruneParams
from snnprune.snn.checkpoint import load_network
from snnprune.snn.network import SpikingNetwork
from tests.pipeline.studies.made import PARAMS, save_splits, write_params


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with data and the dense net of seed 0."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_params()
        save_splits()
        train.main(["--experiment", "tiny", "--seed", "0"])
    return folder


@pytest.fixture(scope="session")
def dataset(folder: Path) -> Dataset:
    return load_dataset(folder / paths.data_folder("tiny"))


@pytest.fixture
def dense(folder: Path) -> Callable[[], SpikingNetwork]:
    """Makes a new copy of the dense net."""
    return lambda: load_network(folder / paths.train_folder("tiny", 0) / "model.safetensors")


@pytest.fixture
def state(folder: Path) -> dict[str, torch.Tensor]:
    """The state of the dense training's optimiser."""
    return load_file(folder / paths.train_folder("tiny", 0) / "optimizer.safetensors")


@pytest.fixture
def prune() -> PruneParams:
    return PruneParams.model_validate(PARAMS["experiments"]["tiny"]["prune"])
