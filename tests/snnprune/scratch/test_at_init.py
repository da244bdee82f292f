"""Scores of untrained networks by hand and by finite differences."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional

from snnprune.core.network import build_network
from snnprune.core.params import ModelParams
from snnprune.pruning.mask import prunable_weights
from snnprune.scratch.at_init import snip_scores, synflow_mask, synflow_scores

Made = Callable[..., Any]
A = torch.tensor([[1.0, -2.0], [0.5, 3.0]])  # hidden by inputs
B = torch.tensor([[4.0, -1.0]])


def two_layers() -> tuple[Any, dict[str, torch.Tensor]]:
    network = build_network(ModelParams(layers=[2, 2, 1], timesteps=2, dropout=0.5))
    return network, dict(zip(prunable_weights(network), (A, B), strict=True))


def test_synflow_by_hand() -> None:
    network, weights = two_layers()
    first, second = synflow_scores(network, weights, (1, 1, 2)).values()
    assert first.tolist() == [[4.0, 8.0], [0.5, 3.0]]  # |a| times |b| of the hidden neuron
    assert second.tolist() == [[12.0, 3.5]]  # |b| times the hidden neuron's sum


@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_the_flow_is_the_same_through_every_layer(kind: str, network: Made) -> None:
    """Tanaka et al.'s conservation law: each layer's scores add up to R."""
    net = network(kind)
    scores = synflow_scores(net, dict(prunable_weights(net)), (1, 4, 4))
    sums = [float(layer.sum()) for layer in scores.values()]
    assert sums == pytest.approx([sums[0]] * len(sums))


def test_synflow_by_finite_differences(network: Made) -> None:
    net = network("conv")
    weights = {name: weight.detach().double() for name, weight in prunable_weights(net).items()}
    scores = synflow_scores(net, weights, (1, 4, 4))
    flow = float(scores["layers.0.weight"].sum())
    for name, weight in weights.items():
        place = (0,) * weight.dim()
        more = {**weights, name: weight.clone()}
        more[name][place] *= 1 + 1e-6
        risen = float(synflow_scores(net, more, (1, 4, 4))["layers.0.weight"].sum()) - flow
        assert risen / 1e-6 == pytest.approx(float(scores[name][place]), rel=1e-3, abs=1e-6)


def test_synflow_collapses_no_layer(network: Made, problem: Made) -> None:
    """Where a single round by magnitude empties a layer, the rounds leave a synapse in each."""
    net = network("linear")
    with torch.no_grad():
        net.layers[1].weight.mul_(1000)
    one = problem(net, 0.98)
    assert any(not layer.any() for layer in one.keep_top({n: w.abs() for n, w in one.weights.items()}).values())
    assert all(layer.any() for layer in synflow_mask(one).values())


def test_snip_is_the_reaction_to_a_factor_of_each_synapse(network: Made, problem: Made) -> None:
    """SNIP's own definition, by another way: |dL/dc| at c = 1 where every weight is c * w."""
    net = network("linear")
    samples = list(problem(net, 0.8).samples())
    found = snip_scores(net, samples, seed=0)
    net.eval()
    weights = prunable_weights(net)
    factors = {name: torch.ones_like(weight, requires_grad=True) for name, weight in weights.items()}
    state = {name: factors[name] * weight.detach() for name, weight in weights.items()}
    losses = [
        functional.cross_entropy(torch.func.functional_call(net, state, (images,)), labels)
        for images, labels in samples
    ]
    expected = torch.autograd.grad(sum(losses), list(factors.values()))
    for layer, gradient in zip(found.values(), expected, strict=True):
        torch.testing.assert_close(layer, gradient.abs(), rtol=1e-3, atol=1e-5)
    assert all(layer.any() for layer in found.values())


def test_snip_needs_a_batch(network: Made) -> None:
    with pytest.raises(ValueError, match="at least one batch"):
        snip_scores(network("linear"), [], seed=0)
