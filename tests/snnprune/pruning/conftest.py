"""A tiny learnable dataset and a small network trained on it, for the tests of this folder."""

from collections.abc import Callable

import pytest
import torch

from snnprune.core.checkpoint import copy_parameters, load_parameters
from snnprune.core.dataset import Dataset, Split
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams
from snnprune.core.seeds import seed_everything
from snnprune.core.training.fit import fit, make_optimizer
from snnprune.core.training.params import FitParams

MODEL = ModelParams(layers=[16, 12, 3], timesteps=4)


def make_split(samples: int, seed: int) -> Split:
    """Noisy copies of three fixed patterns of 4 x 4 pixels, one a class."""
    patterns = torch.rand((3, 1, 4, 4), generator=torch.Generator().manual_seed(99))
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (samples,), generator=generator)
    noise = 0.3 * torch.randn((samples, 1, 4, 4), generator=generator)
    return Split((patterns[labels] + noise).clamp(0, 1), labels)


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return Dataset("patterns", 3, "none", make_split(60, 0), make_split(30, 1), make_split(30, 2))


@pytest.fixture(scope="session")
def trained(dataset: Dataset) -> dict[str, torch.Tensor]:
    """Parameters of the dense net."""
    torch.set_num_threads(1)
    seed_everything(0)
    network = build_network(MODEL)
    params = FitParams(epochs=5, batch_size=10, lr=0.01)
    fit(network, make_optimizer(network, params), dataset.train, None, params)
    return copy_parameters(network)


@pytest.fixture
def dense(trained: dict[str, torch.Tensor]) -> Callable[[], SpikingNetwork]:
    """Makes a new copy of the trained dense net."""

    def make() -> SpikingNetwork:
        network = build_network(MODEL)
        load_parameters(network, trained)
        return network

    return make
