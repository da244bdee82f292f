"""Criticality and importance: against arithmetic by hand and torch's own gradients, and without side effects."""

import copy
import math
from collections.abc import Callable
from typing import get_args

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from snnprune.core.dataset import Dataset
from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams, Surrogate
from snnprune.pruning.mask import prunable_weights
from snnprune.pruning.params import CriticalityKind
from snnprune.pruning.scores import (
    critical_at,
    criticality,
    importance,
    membrane_criticality,
    normalized,
)
from tests.snnprune import snntorch_loop

Batches = list[tuple[Tensor, Tensor]]


@pytest.fixture
def batches(dataset: Dataset) -> Batches:
    return list(zip(dataset.train.images.split(20), dataset.train.labels.split(20), strict=True))


def one_step_network() -> SpikingNetwork:
    """2 inputs, 2 outputs, one step, weights [[1.2, 0.4], [0.2, 0.6]], no bias."""
    network = build_network(ModelParams(layers=[2, 2], timesteps=1))
    with torch.no_grad():
        network.layers[1].weight.copy_(torch.tensor([[1.2, 0.4], [0.2, 0.6]]))
        network.layers[1].bias.zero_()
    return network


def one_sample(label: int) -> tuple[Tensor, Tensor]:
    return torch.tensor([1.0, 0.5]).reshape(1, 1, 1, 2), torch.tensor([label])


# x = (1, 0.5): U = (1.4, 0.5), S = (1, 0), softmax(S) = (e, 1) / (e + 1). dL/dS = softmax(S) - onehot(label), so for
# label 1 it is (a, -a) with a = e / (e + 1), for label 0 (-b, b) with b = 1 / (e + 1). The arctan surrogate of slope 2
# is 1 / (1 + (pi * (U - 1))^2). dL/dw[i, j] = dL/dS[i] * surrogate[i] * x[j].
A, B = math.e / (math.e + 1), 1 / (math.e + 1)
SURROGATE = [1 / (1 + (math.pi * 0.4) ** 2), 1 / (1 + (math.pi * 0.5) ** 2)]


def test_sensitivity_by_hand() -> None:
    found = criticality(one_step_network(), [one_sample(1)], "sensitivity", seed=0)
    expected = [[A * SURROGATE[0], A * SURROGATE[0] / 2], [A * SURROGATE[1], A * SURROGATE[1] / 2]]
    torch.testing.assert_close(found["layers.1.weight"], torch.tensor(expected))


def test_taylor_by_hand_is_the_mean_of_absolute_values_not_the_absolute_mean() -> None:
    found = criticality(one_step_network(), [one_sample(1), one_sample(0)], "taylor", seed=0)
    mean = (A + B) / 2
    expected = [
        [1.2 * mean * SURROGATE[0], 0.4 * mean * SURROGATE[0] / 2],
        [0.2 * mean * SURROGATE[1], 0.6 * mean * SURROGATE[1] / 2],
    ]
    torch.testing.assert_close(found["layers.1.weight"], torch.tensor(expected))


NEURONS = {
    "atan": {"threshold": 0.3},
    "fast sigmoid, to zero": {
        "beta": 0.7,
        "threshold": 0.2,
        "reset": "zero",
        "surrogate": Surrogate(name="fast_sigmoid", slope=5.0),
    },
}


@pytest.fixture(params=["4x4-12-3", "4x4-4C2-MP2-3C1-3"], ids=["dense", "conv"])
def layers(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=NEURONS)
def net(request: pytest.FixtureRequest, layers: str) -> SpikingNetwork:
    torch.manual_seed(0)
    return build_network(ModelParams(layers=layers, timesteps=5, **NEURONS[request.param]))


@pytest.mark.parametrize("kind", ["sensitivity", "taylor"])
def test_against_autograd_through_the_snntorch_loop(net: SpikingNetwork, batches: Batches, kind: str) -> None:
    weights = prunable_weights(net)
    expected = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for images, labels in batches:
        spikes, _ = snntorch_loop.run(snntorch_loop.layers_of(net), [images] * net.spec.timesteps)
        gradients = torch.autograd.grad(functional.cross_entropy(spikes.sum(0), labels), list(weights.values()))
        for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
            expected[name] += (gradient * (1 if kind == "sensitivity" else weight.detach())).abs() / len(batches)
    found = criticality(net, batches, kind, seed=0)
    assert list(found) == list(weights)
    for name, scores in found.items():
        assert scores.max() > 1e-5
        torch.testing.assert_close(scores, expected[name], rtol=1e-4, atol=1e-7)


def neurons_by_loop(net: SpikingNetwork, images: Tensor) -> list[Tensor]:
    """For each spiking layer the mean of the surrogate's derivative, which autograd takes at mem - threshold, [N]."""
    found = []
    for membrane in snntorch_loop.run(snntorch_loop.layers_of(net), [images] * net.spec.timesteps)[1]:
        distance = (membrane.detach() - net.spec.threshold).requires_grad_()
        snntorch_loop.spike_function(net.spec.surrogate)(distance).sum().backward()
        found.append(distance.grad.mean(dim=[axis for axis in range(distance.dim()) if axis != 2]))
    return found


def test_membrane_against_the_snntorch_loop(net: SpikingNetwork, batches: Batches) -> None:
    weights = prunable_weights(net)
    images = torch.cat([images for images, _ in batches])
    expected = dict(zip(weights, neurons_by_loop(net, images), strict=True))
    uneven = [(images[:50], torch.zeros(50)), (images[50:], torch.zeros(10))]  # the mean is over samples, not batches
    for given in (batches, uneven):
        neurons = membrane_criticality(net, given, seed=0)
        assert list(neurons) == list(weights)
        for name, found in neurons.items():
            assert found.max() > found.min() > 0
            torch.testing.assert_close(found, expected[name], rtol=1e-4, atol=1e-7)
    spread = criticality(net, batches, "membrane", seed=0)
    for name, weight in weights.items():
        shape = (-1, *[1] * (weight.dim() - 1))
        torch.testing.assert_close(spread[name], expected[name].view(shape).expand_as(weight), rtol=1e-4, atol=1e-7)


def atan_at(distance: float) -> float:
    return 1 / (1 + (math.pi * distance) ** 2)


def test_membrane_by_hand() -> None:
    # Two steps of x = (1, 0.5) through [[1.2, 0.4], [0.2, 0.6]], beta 0.9, threshold 1: the currents are 1.4 and 0.5.
    # Neuron 0: U = 1.4, a spike, then 0.9 * 1.4 + 1.4 - 1 = 1.66. Neuron 1: U = 0.5, none, then 0.45 + 0.5 = 0.95.
    network = build_network(ModelParams(layers=[2, 2], timesteps=2))
    network.load_state_dict(one_step_network().state_dict())
    found = membrane_criticality(network, [one_sample(0)], seed=0)
    expected = [(atan_at(0.4) + atan_at(0.66)) / 2, (atan_at(-0.5) + atan_at(-0.05)) / 2]
    torch.testing.assert_close(found["layers.1.weight"], torch.tensor(expected))
    spread = criticality(network, [one_sample(0)], "membrane", seed=0)["layers.1.weight"]
    torch.testing.assert_close(spread, torch.tensor([[expected[0]] * 2, [expected[1]] * 2]))


def test_membrane_of_a_convolution_by_hand() -> None:
    # One step of one pixel row (1, 0, 0.5) under two 1 x 1 filters of 0.8 and 2: U = (0.8, 0, 0.4) and (2, 0, 1).
    spec = ModelParams(layers=[3, 6], timesteps=1)
    conv = nn.Conv2d(1, 2, 1, bias=False)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([0.8, 2.0]).reshape(2, 1, 1, 1))
    network = SpikingNetwork(spec, [conv, MultiStepLeaky(spec.beta, spec.threshold, spec.reset, spec.surrogate)])
    images = torch.tensor([1.0, 0.0, 0.5]).reshape(1, 1, 1, 3)
    found = membrane_criticality(network, [(images, torch.tensor([0]))], seed=0)["layers.0.weight"]
    expected = [
        (atan_at(-0.2) + atan_at(-1) + atan_at(-0.6)) / 3,
        (atan_at(1) + atan_at(-1) + atan_at(0)) / 3,
    ]
    torch.testing.assert_close(found, torch.tensor(expected))


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        # The mean over a column.
        ([[1.0, 4.0, 0.0], [3.0, 0.0, 0.5]], [[2.0, 2.0, 0.25], [2.0, 2.0, 0.25]]),
        # Of a convolution, [2 outputs, 2 inputs, 1, 2], over an input channel: 1, 2, 5, 8 and 3, 4, 0, 1.
        ([[[[1.0, 2.0]], [[3.0, 4.0]]], [[[5.0, 8.0]], [[0.0, 1.0]]]], [[[[4.0] * 2], [[2.0] * 2]]] * 2),
    ],
)
def test_granularity_by_hand(scores: list[object], expected: list[object]) -> None:
    given = {"a": torch.tensor(scores)}
    assert critical_at(given, "neuron")["a"].tolist() == expected
    assert critical_at(given, "synapse")["a"].tolist() == given["a"].tolist() == scores


def random_network() -> SpikingNetwork:
    torch.manual_seed(0)
    spec = ModelParams(layers=[16, 12, 3], timesteps=3, dropout=0.5, encoding={"name": "rate"})
    return build_network(spec)


@pytest.mark.parametrize("kind", get_args(CriticalityKind))
@pytest.mark.parametrize("training", [True, False])
def test_the_network_is_left_as_it_was(batches: Batches, training: bool, kind: str) -> None:
    network = random_network().train(training)
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, 7.0)
    before, drawn = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    criticality(network, batches, kind, seed=3)
    assert all(module.training == training for module in network.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(bool((parameter.grad == 7.0).all()) for parameter in network.parameters())
    assert torch.equal(torch.get_rng_state(), drawn)


@pytest.mark.parametrize("kind", get_args(CriticalityKind))
def test_dropout_is_off_and_the_seed_decides_a_random_encoding(batches: Batches, kind: str) -> None:
    network = random_network().train()
    first, again, other = (criticality(network, batches, kind, seed=seed) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_unknown_kind_and_no_batch_are_refused(dense: Callable[[], SpikingNetwork], batches: Batches) -> None:
    with pytest.raises(
        ValueError, match="unknown criticality kind 'sensitvity'; allowed are: sensitivity, taylor, membrane"
    ):
        criticality(dense(), batches, "sensitvity", seed=0)
    network = dense().train()
    for kind in ("taylor", "membrane"):
        with pytest.raises(ValueError, match="at least one batch"):
            criticality(network, [], kind, seed=0)
    assert network.training


def test_normalized_divides_by_the_maximum_over_all_layers() -> None:
    scaled = normalized({"a": torch.tensor([[1.0, 4.0]]), "b": torch.tensor([8.0, 0.0])})
    assert {name: layer.tolist() for name, layer in scaled.items()} == {"a": [[0.125, 0.5]], "b": [1.0, 0.0]}
    assert normalized({"a": torch.zeros(2)})["a"].tolist() == [0.0, 0.0]


def test_importance_by_hand() -> None:
    weights = {"a": torch.tensor([-2.0, 3.0]), "b": torch.tensor([[0.5]])}
    critical = {"a": torch.tensor([1.0, 4.0]), "b": torch.tensor([[0.0]])}
    half = importance(weights, critical, 0.5)  # C = 1/4, 1 and 0; their roots are 1/2, 1 and 0
    assert (half["a"].tolist(), half["b"].tolist()) == ([1.0, 3.0], [[0.0]])
    assert importance(weights, critical, 2.0)["a"].tolist() == [0.125, 3.0]


def test_importance_with_alpha_zero_is_magnitude_even_where_nothing_is_critical() -> None:
    weights = {"a": torch.tensor([-2.0, 0.0, 0.3])}
    for critical in (torch.tensor([0.0, 1.0, 0.5]), torch.zeros(3)):
        assert torch.equal(importance(weights, {"a": critical}, 0.0)["a"], weights["a"].abs())
