"""Criticality and importance: against arithmetic by hand and torch's own gradients, and without side effects."""

import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.data.store import Dataset
from pipeline.pruning.mask import prunable_weights
from pipeline.pruning.scores import criticality, importance, normalized
from pipeline.snn.network import SpikingNetwork, build_network
from pipeline.snn.params import ModelParams

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


@pytest.mark.parametrize("training", [True, False])
def test_the_network_is_left_as_it_was(batches: Batches, training: bool) -> None:
    torch.manual_seed(0)
    spec = ModelParams(layers=[16, 12, 3], timesteps=3, dropout=0.5, encoding={"name": "rate"})
    network = build_network(spec).train(training)
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, 7.0)
    before, drawn = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    criticality(network, batches, "sensitivity", seed=3)
    assert all(module.training == training for module in network.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(bool((parameter.grad == 7.0).all()) for parameter in network.parameters())
    assert torch.equal(torch.get_rng_state(), drawn)


def test_dropout_is_off_and_the_seed_decides_a_random_encoding(batches: Batches) -> None:
    torch.manual_seed(0)
    spec = ModelParams(layers=[16, 12, 3], timesteps=3, dropout=0.5, encoding={"name": "rate"})
    network = build_network(spec).train()
    first, again, other = (criticality(network, batches, "sensitivity", seed=seed) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_unknown_kind_and_no_batch_are_refused(dense: Callable[[], SpikingNetwork], batches: Batches) -> None:
    with pytest.raises(ValueError, match="unknown criticality kind 'sensitvity'; allowed are: sensitivity, taylor"):
        criticality(dense(), batches, "sensitvity", seed=0)
    network = dense().train()
    with pytest.raises(ValueError, match="at least one batch"):
        criticality(network, [], "taylor", seed=0)
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
