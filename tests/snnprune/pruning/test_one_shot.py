"""Accuracy under a mask, or a relaxed one: the weights times it, and the network as before afterwards."""

from collections.abc import Callable

import pytest
import torch

from snnprune.core.dataset import Dataset
from snnprune.core.network import SpikingNetwork
from snnprune.core.training.evaluate import accuracy, accuracy_under
from snnprune.pruning.mask import prunable_weights


@pytest.mark.parametrize("chosen", [slice(None), slice(1)])  # all layers, or the first alone
def test_a_relaxed_mask_multiplies_the_weights_and_all_is_put_back(
    dense: Callable[[], SpikingNetwork], dataset: Dataset, chosen: slice
) -> None:
    network, other = dense(), dense()
    names = list(prunable_weights(network))[chosen]
    factors = {name: torch.rand_like(network.get_parameter(name)) for name in names}
    for name in names:
        other.get_parameter(name).data *= factors[name]
    assert accuracy_under(network, factors, dataset.test) == accuracy(other, dataset.test)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), dense().parameters(), strict=True))
