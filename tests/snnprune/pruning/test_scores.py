"""Criticality and importance: against arithmetic by hand and torch's own gradients, and without side effects."""

import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from snnprune.core.dataset import Dataset
from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams, Surrogate
from snnprune.pruning.mask import prunable_weights
from snnprune.pruning.scores import (
    by_presynaptic_neuron,
    critical_at,
    criticality,
    importance,
    membrane_criticality,
    normalized,
)
from tests.snnprune.pruning import snntorch_loop

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


def test_it_is_the_mean_of_absolute_values_not_the_absolute_mean() -> None:
    found = criticality(one_step_network(), [one_sample(1), one_sample(0)], "sensitivity", seed=0)
    assert found["layers.1.weight"][0, 0].item() == pytest.approx((A + B) / 2 * SURROGATE[0])


def test_taylor_by_hand() -> None:
    found = criticality(one_step_network(), [one_sample(1), one_sample(0)], "taylor", seed=0)
    mean = (A + B) / 2
    expected = [
        [1.2 * mean * SURROGATE[0], 0.4 * mean * SURROGATE[0] / 2],
        [0.2 * mean * SURROGATE[1], 0.6 * mean * SURROGATE[1] / 2],
    ]
    torch.testing.assert_close(found["layers.1.weight"], torch.tensor(expected))


@pytest.mark.parametrize("kind", ["sensitivity", "taylor"])
def test_against_backward_batch_by_batch(dense: Callable[[], SpikingNetwork], batches: Batches, kind: str) -> None:
    network = dense()
    expected = {name: torch.zeros_like(weight) for name, weight in prunable_weights(network).items()}
    for images, labels in batches:
        fresh = copy.deepcopy(network).eval()
        functional.cross_entropy(fresh(images), labels).backward()
        for name, weight in prunable_weights(fresh).items():
            factor = 1 if kind == "sensitivity" else weight.detach()
            expected[name] += (weight.grad * factor).abs() / len(batches)
    found = criticality(network, batches, kind, seed=0)
    assert list(found) == ["layers.1.weight", "layers.3.weight"]
    for name, scores in found.items():
        assert scores.min() >= 0
        assert scores.max() > 0
        torch.testing.assert_close(scores, expected[name])


SPECS = {
    "atan": ModelParams(layers=[16, 12, 3], timesteps=5, threshold=0.3),
    "fast sigmoid, to zero": ModelParams(
        layers=[16, 12, 3],
        timesteps=5,
        beta=0.7,
        threshold=0.2,
        reset="zero",
        surrogate=Surrogate(name="fast_sigmoid", slope=5.0),
    ),
}


def dense_network(spec: ModelParams) -> SpikingNetwork:
    torch.manual_seed(0)
    return build_network(spec)


def conv_network(spec: ModelParams) -> SpikingNetwork:
    """A convolution, pooled before its neurons, one more and a dense layer, on 4 x 4 pixels."""
    torch.manual_seed(0)

    def neuron() -> MultiStepLeaky:
        return MultiStepLeaky(spec.beta, spec.threshold, spec.reset, spec.surrogate)

    first, second = nn.Conv2d(1, 4, 2, padding=1), nn.Conv2d(4, 3, 2)
    layers = [first, nn.AvgPool2d(2), neuron(), second, neuron(), nn.Flatten(), nn.Linear(3, 3), neuron()]
    return SpikingNetwork(spec, layers)


NETWORKS = {"dense": dense_network, "conv": conv_network}


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("kind", ["sensitivity", "taylor"])
def test_against_autograd_through_the_snntorch_loop(batches: Batches, kind: str, network: str, spec: str) -> None:
    net = NETWORKS[network](SPECS[spec])
    weights = prunable_weights(net)
    expected = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for images, labels in batches:
        for name, gradient in snntorch_loop.gradients(net, images, labels).items():
            factor = 1 if kind == "sensitivity" else weights[name].detach()
            expected[name] += (gradient * factor).abs() / len(batches)
    found = criticality(net, batches, kind, seed=0)
    for name, scores in found.items():
        assert scores.max() > 1e-5
        torch.testing.assert_close(scores, expected[name], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("network", NETWORKS)
def test_membrane_against_the_snntorch_loop(batches: Batches, network: str, spec: str) -> None:
    net = NETWORKS[network](SPECS[spec])
    weights = prunable_weights(net)
    images = torch.cat([images for images, _ in batches])
    expected = dict(zip(weights, snntorch_loop.neuron_criticality(net, images), strict=True))
    uneven = [(images[:50], torch.zeros(50)), (images[50:], torch.zeros(10))]  # the mean is over samples, not batches
    for given in (batches, uneven):
        neurons = membrane_criticality(net, given, seed=0)
        assert list(neurons) == list(weights)
        for name, found in neurons.items():
            assert found.shape == (len(weights[name]),)
            assert found.max() > found.min() > 0
            torch.testing.assert_close(found, expected[name], rtol=1e-4, atol=1e-7)
    spread = criticality(net, batches, "membrane", seed=0)
    for name, weight in weights.items():
        assert spread[name].shape == weight.shape
        for neuron, synapses in enumerate(spread[name]):
            torch.testing.assert_close(synapses, expected[name][neuron].expand_as(synapses), rtol=1e-4, atol=1e-7)


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


def test_granularity_neuron_is_the_mean_over_a_column() -> None:
    scores = {"a": torch.tensor([[1.0, 4.0, 0.0], [3.0, 0.0, 0.5]])}
    found = by_presynaptic_neuron(scores)["a"]
    assert found.tolist() == [[2.0, 2.0, 0.25], [2.0, 2.0, 0.25]]
    assert scores["a"].tolist() == [[1.0, 4.0, 0.0], [3.0, 0.0, 0.5]]


def test_granularity_neuron_of_a_convolution_is_the_mean_over_an_input_channel() -> None:
    # [2 outputs, 2 inputs, 1, 2]: input channel 0 has 1, 2, 5, 8, channel 1 has 3, 4, 0, 1.
    scores = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]], [[[5.0, 8.0]], [[0.0, 1.0]]]])
    found = by_presynaptic_neuron({"a": scores})["a"]
    assert found.shape == scores.shape
    assert found[:, 0].unique().tolist() == [4.0]
    assert found[:, 1].unique().tolist() == [2.0]


def test_granularity_is_chosen_by_name() -> None:
    scores = {"a": torch.tensor([[1.0, 4.0], [3.0, 0.0]])}
    assert critical_at(scores, "synapse")["a"].tolist() == [[1.0, 4.0], [3.0, 0.0]]
    assert critical_at(scores, "neuron")["a"].tolist() == [[2.0, 2.0], [2.0, 2.0]]


@pytest.mark.parametrize("kind", ["sensitivity", "taylor", "membrane"])
@pytest.mark.parametrize("training", [True, False])
def test_the_network_is_left_as_it_was(batches: Batches, training: bool, kind: str) -> None:
    torch.manual_seed(0)
    spec = ModelParams(layers=[16, 12, 3], timesteps=3, dropout=0.5, encoding={"name": "rate"})
    network = build_network(spec).train(training)
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, 7.0)
    before, drawn = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    criticality(network, batches, kind, seed=3)
    assert all(module.training == training for module in network.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(bool((parameter.grad == 7.0).all()) for parameter in network.parameters())
    assert torch.equal(torch.get_rng_state(), drawn)


@pytest.mark.parametrize("kind", ["sensitivity", "taylor", "membrane"])
def test_dropout_is_off_and_the_seed_decides_a_random_encoding(batches: Batches, kind: str) -> None:
    torch.manual_seed(0)
    spec = ModelParams(layers=[16, 12, 3], timesteps=3, dropout=0.5, encoding={"name": "rate"})
    network = build_network(spec).train()
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
