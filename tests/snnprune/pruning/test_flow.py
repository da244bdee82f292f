"""SynFlow: by hand, every path through the network added up one by one, and its promise that no layer collapses."""

from itertools import product

import pytest
import torch

from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams
from snnprune.methods import synflow
from snnprune.pruning.flow import absolute, flow_scores
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.problem import Problem


def network_of(layers: object) -> SpikingNetwork:
    torch.manual_seed(0)
    return build_network(ModelParams(layers=layers, timesteps=2))


def problem(network: SpikingNetwork, keep: int, scope: str = "global") -> Problem:
    weights = {name: weight.detach() for name, weight in prunable_weights(network).items()}
    return Problem(weights, Mask.dense(weights), keep, scope, 0, lambda kind=None: {}, network, lambda: iter([]))


def set_weights(network: SpikingNetwork, *weights: list[list[float]]) -> None:
    with torch.no_grad():
        for parameter, weight in zip(prunable_weights(network).values(), weights, strict=True):
            parameter.copy_(torch.tensor(weight))


def test_by_hand() -> None:
    network = network_of([2, 2, 1])
    set_weights(network, [[1.0, -2.0], [3.0, 0.5]], [[-0.1, 2.0]])
    # R = 0.1 * (1 + 2) + 2 * (3 + 0.5) = 7.3. A synapse's score is what flows through it: of the first layer 0.1, 0.2,
    # 6, 1, of the second 0.3, 7.
    found = flow_scores(absolute(network), problem(network, 6).mask)
    assert [round(x, 6) for layer in found.values() for x in layer.flatten().tolist()] == [0.1, 0.2, 6, 1, 0.3, 7]
    assert all(layer.sum().item() == pytest.approx(7.3) for layer in found.values())
    kept = synflow.prune(problem(network, 3), synflow.Params(rounds=1)).vector()
    assert kept.nonzero().flatten().tolist() == [2, 3, 5]


def test_rounds_measure_anew() -> None:
    network = network_of([1, 2, 1])
    set_weights(network, [[1.0], [0.9]], [[0.5, 0.6]])
    # Flows 0.5 and 0.54 through neurons 0 and 1: of two equal scores each. In one round two synapses of 0.54 are left;
    # three of four kept in a first round leave half of neuron 0's path, whose other half then scores 0.
    assert synflow.prune(problem(network, 2), synflow.Params(rounds=1)).vector().tolist() == [False, True, False, True]
    first = synflow.prune(problem(network, 3), synflow.Params(rounds=1))
    scores = flow_scores(absolute(network), first)
    assert torch.cat([layer.flatten() for layer in scores.values()]).tolist() == pytest.approx([0, 0.54, 0, 0.54])


def test_it_is_the_sum_over_all_paths() -> None:
    network = network_of([3, 4, 3, 2])
    sizes = [3, 4, 3, 2]
    weights = [weight.detach().abs().double() for weight in prunable_weights(network).values()]
    expected = [torch.zeros_like(weight) for weight in weights]
    for path in product(*map(range, sizes)):
        flow = 1.0
        for layer, weight in enumerate(weights):
            flow *= weight[path[layer + 1], path[layer]].item()
        for layer in range(len(weights)):
            expected[layer][path[layer + 1], path[layer]] += flow
    found = flow_scores(absolute(network), problem(network, 1).mask)
    for layer, score in zip(expected, found.values(), strict=True):
        torch.testing.assert_close(score, layer)


@pytest.mark.parametrize("layers", ["36-20-10-4", "6x6-4C3-MP2-4"])
def test_every_layer_carries_the_whole_flow_and_none_collapses(layers: str) -> None:
    network = network_of(layers)
    before = {name: parameter.clone() for name, parameter in network.named_parameters()}
    size = problem(network, 1).mask.size
    scores = flow_scores(absolute(network), problem(network, size).mask)
    sums = [layer.sum().item() for layer in scores.values()]
    assert sums == pytest.approx([sums[0]] * len(sums))
    found = synflow.prune(problem(network, max(8, size // 50)), synflow.Params())
    assert all(bool(layer.any()) for layer in found.values())
    remaining = flow_scores(absolute(network), found)
    assert all(bool(layer.any()) for layer in remaining.values())
    assert all(torch.equal(before[name], parameter) for name, parameter in network.named_parameters())
