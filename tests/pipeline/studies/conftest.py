"""The dense net of the tiny project, for the studies' rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from pipeline.io import paths
from pipeline.io.params import Matrix
from pipeline.io.resume import Resume
from pipeline.io.store import load_dataset
from pipeline.study import Inputs, load_study
from snnprune.core.dataset import Dataset
from snnprune.core.seeds import derive_seed
from snnprune.core.training.params import FitParams
from snnprune.pruning import iterate
from snnprune.pruning.params import PruneParams
from tests.pipeline.studies.made import PARAMS, SIZES, Dense, Measure

BLOCKS = PARAMS["experiments"]["tiny"]


@pytest.fixture(scope="session")
def dataset(made: Path) -> Dataset:
    return load_dataset(made / paths.data_folder("tiny"))


@pytest.fixture
def prune() -> PruneParams:
    return PruneParams.model_validate(BLOCKS["prune"])


@pytest.fixture
def inputs(
    made: Path, dataset: Dataset, prune: PruneParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Inputs]:
    """What a study reads, with the given params beside its defaults."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "RESULTS", made / "results")

    def inputs_of(study: str, **params: Any) -> Inputs:
        return Inputs(
            experiment="tiny",
            params=load_study(study).params.model_validate(params),
            blocks={"prune": prune, "train": FitParams.model_validate(BLOCKS["train"])},
            matrix=Matrix(methods=["cqp"], seeds=[0]),
            dataset=dataset,
            device=torch.device("cpu"),
            resume=Resume(f"study/tiny/{study}", {}, []),
        )

    return inputs_of


@pytest.fixture
def measure(inputs: Callable[..., Inputs]) -> Measure:
    """The rows of a study with the given params, of seed 0."""
    return lambda study, **params: pd.DataFrame(load_study(study).rows(inputs(study, **params), 0))


@pytest.fixture
def dense(inputs: Callable[..., Inputs]) -> Dense:
    """Makes a new copy of the dense net."""
    return lambda: inputs("temporal").dense(0)


@pytest.fixture
def critical(dense: Dense, dataset: Dataset, prune: PruneParams) -> dict[str, torch.Tensor]:
    """Criticality of the dense net at its first level, as the prune stage measures it."""
    seed = derive_seed(0, 0, iterate.CRITICALITY)
    return dict(iterate.measure(dense(), list(SIZES), dataset.train, prune.criticality, seed)())
