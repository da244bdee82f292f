"""A tiny learnable dataset, and nets to be trained on it from scratch."""

from collections.abc import Callable

import pytest
import torch

from snnprune.core.dataset import Dataset, Split
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams
from snnprune.core.seeds import seed_everything
from snnprune.core.training.params import FinetuneParams
from snnprune.pruning.iterate import make_problem
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.params import CriticalityParams, PruneParams
from snnprune.pruning.problem import Problem

SPECS = {  # low thresholds, so that every layer spikes; a dense last layer at 0.5
    "linear": ModelParams(layers=[16, 20, 12, 3], timesteps=4, threshold=0.3, dropout=0.1),
    "conv": ModelParams(layers="4x4-3C3-MP2-12-3", timesteps=3, threshold=0.3),
}


def make_split(samples: int, seed: int) -> Split:
    """Noisy copies of three fixed patterns of 4 x 4 pixels, one a class."""
    patterns = torch.rand((3, 1, 4, 4), generator=torch.Generator().manual_seed(99))
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (samples,), generator=generator)
    noise = 0.2 * torch.randn((samples, 1, 4, 4), generator=generator)
    return Split((patterns[labels] + noise).clamp(0, 1), labels)


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return Dataset("patterns", 3, "none", make_split(60, 0), make_split(30, 1), make_split(30, 2))


@pytest.fixture
def network() -> Callable[[str], SpikingNetwork]:
    """Makes a new net of the kind, always with the same weights."""

    def make(kind: str) -> SpikingNetwork:
        seed_everything(0)
        return build_network(SPECS[kind])

    return make


@pytest.fixture
def problem(dataset: Dataset) -> Callable[..., Problem]:
    """The problem of pruning a net to a level."""

    def make(net: SpikingNetwork, level: float, seed: int = 0) -> Problem:
        params = PruneParams(
            levels=[level],
            criticality=CriticalityParams(batches=2, batch_size=20),
            finetune=FinetuneParams(epochs=1),
        )
        mask = Mask.dense(prunable_weights(net))
        return make_problem(net, mask, level, dataset.train, params, seed_path=(seed, 0))

    return make
