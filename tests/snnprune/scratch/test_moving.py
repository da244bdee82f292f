"""The gradient by which synapses come: of the last batch, at every place, whatever form a layer has."""

import copy

import pytest
import torch
from torch.nn import functional

from snnprune.core.dataset import Dataset
from snnprune.core.network import build_network
from snnprune.core.params import ModelParams
from snnprune.core.training.batch import make_batch
from snnprune.core.training.fit import make_optimizer
from snnprune.core.training.params import Augment, FitParams
from snnprune.pruning.finetune import kept_alone
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.scratch.approaches.rigl import REWIRING
from snnprune.scratch.densities import random_mask
from snnprune.scratch.moving import MovingLinear, MovingMask
from snnprune.scratch.rewiring import Run


@pytest.mark.parametrize("layers", [[16, 20, 12, 3], "4x4-3C3-MP2-12-3"], ids=str)
def test_the_dense_gradient(layers: list[int] | str, dataset: Dataset) -> None:
    torch.manual_seed(0)
    network = build_network(ModelParams(layers=layers, timesteps=4, threshold=0.1))
    dense, expected = copy.deepcopy(network), copy.deepcopy(network)
    mask = random_mask(Mask.dense(prunable_weights(network)), 40, 1)
    batch = make_batch(dataset.train, torch.arange(32), Augment())
    weights = prunable_weights(expected)
    mask.apply(weights)
    functional.cross_entropy(expected.train()(batch.images), batch.labels).backward()
    mask.apply(prunable_weights(network))
    with kept_alone(network, mask, MovingLinear) as rest:
        optimizer = make_optimizer(network, FitParams(epochs=1))
        moving = MovingMask(network, optimizer, dense, mask, REWIRING, Run(10, 10, 5), (0,))
        moving.loss(network.train()(batch.images), batch).backward()
        found = moving.gradient()
        own = {f"{name}.weight": layer for name, layer in network.named_modules() if isinstance(layer, MovingLinear)}
        assert own and {*own, *rest} == set(mask)
        for name, layer in own.items():
            torch.testing.assert_close(layer.values.grad, found[name][mask[name]], rtol=1e-3, atol=1e-5)
    assert list(found) == list(mask)
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, weights[name].grad, rtol=1e-3, atol=1e-5)
        assert gradient[~mask[name]].any()
