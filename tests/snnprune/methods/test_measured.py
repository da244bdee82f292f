"""Methods that score by what they measure of the network themselves, and lamp, against their definitions."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams
from snnprune.limits.ranking import scores_of
from snnprune.methods import lamp
from snnprune.pruning.curvature import twice_differentiable
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.problem import Problem
from snnprune.pruning.registry import load_method

Batches = list[tuple[Tensor, Tensor]]
NAME = "layers.1.weight"


def test_lamp_by_hand() -> None:
    # Squares 9, 4, 1, 0: 9/9, 4/(9+4), 1/(9+4+1), 0.
    assert lamp.lamp(torch.tensor([[1.0, -3.0], [0.0, 2.0]])).tolist() == [[1 / 14, 1.0], [0.0, 4 / 13]]
    # Of equals the first is the larger: 4/4, 4/8, 4/12.
    assert lamp.lamp(torch.tensor([2.0, -2.0, 2.0])).tolist() == [1.0, 0.5, pytest.approx(1 / 3)]
    assert not lamp.lamp(torch.zeros(3)).any()


def test_lamp_is_its_definition() -> None:
    weight = torch.randn((7, 5), generator=torch.Generator().manual_seed(0))
    for w, score in zip(weight.flatten().tolist(), lamp.lamp(weight).flatten().tolist(), strict=True):
        others = weight[weight.abs() >= abs(w)].double().square().sum().item()
        assert score == pytest.approx(w**2 / others, rel=1e-6)


def test_lamp_leaves_a_synapse_in_a_layer_of_small_weights() -> None:
    weights = {"a": torch.arange(1.0, 9.0).view(2, 4), "b": torch.tensor([[1e-3, 2e-3]])}
    found = lamp.prune(Problem(weights, Mask.dense(weights), 2, "global", 0, lambda kind=None: {}), lamp.Params())
    assert found.vector().nonzero().flatten().tolist() == [7, 9]


def one_step_network() -> SpikingNetwork:
    """2 inputs, 2 outputs, one step, weights [[1.2, 0.4], [0.2, 0.6]], no bias."""
    network = build_network(ModelParams(layers=[2, 2], timesteps=1))
    with torch.no_grad():
        network.layers[1].weight.copy_(torch.tensor([[1.2, 0.4], [0.2, 0.6]]))
        network.layers[1].bias.zero_()
    return network


def problem_of(network: SpikingNetwork, batches: Batches, keep: int, density: Tensor | None = None) -> Problem:
    weights = {name: weight.detach() for name, weight in prunable_weights(network).items()}

    def by_kind(kind: str | None = None) -> dict[str, Tensor]:
        assert kind == "membrane"
        return {NAME: density}

    return Problem(weights, Mask.dense(weights), keep, "global", 0, by_kind, network, lambda: iter(batches))


def kept(name: str, problem: Problem) -> list[int]:
    method = load_method(name)
    return method.prune(problem, method.params()).vector().nonzero().flatten().tolist()


def scores(name: str, problem: Problem) -> list[float]:
    method = load_method(name)
    return scores_of(method, problem, method.params())[NAME].flatten().tolist()


def sample(x: tuple[float, float], label: int) -> tuple[Tensor, Tensor]:
    return torch.tensor(x).reshape(1, 1, 1, 2), torch.tensor([label])


def test_wanda_by_hand() -> None:
    # The inputs (1, 0.5) and (0, 2) have the norms 1 and sqrt(4.25); of two samples the root mean squares.
    problem = problem_of(one_step_network(), [sample((1.0, 0.5), 0), sample((0.0, 2.0), 0)], 2)
    norms = [math.sqrt(1 / 2), math.sqrt(4.25 / 2)]
    assert scores("wanda", problem) == pytest.approx([1.2 * norms[0], 0.4 * norms[1], 0.2 * norms[0], 0.6 * norms[1]])
    assert kept("wanda", problem) == [0, 3]


def test_sf_imp_by_hand() -> None:
    # The inputs (1, 0.5) and (0, 2) have the means 0.5 and 1.25.
    density = torch.tensor([[3.0, 3.0], [1.0, 1.0]])
    problem = problem_of(one_step_network(), [sample((1.0, 0.5), 0), sample((0.0, 2.0), 0)], 2, density)
    assert scores("sf_imp", problem) == pytest.approx([0.5 * 1.2 * 3, 1.25 * 0.4 * 3, 0.5 * 0.2, 1.25 * 0.6])
    assert kept("sf_imp", problem) == [0, 1]


# x = (1, 0.5): U = (1.4, 0.5), S = (1, 0), softmax(S) = (e, 1) / (e + 1); for label 0 dL/dS = (-b, b), b = 1 / (e + 1).
# x = (0.2, 1): U = (0.64, 0.64), S = (0, 0); for label 1 dL/dS = (0.5, -0.5). dL/dw[i, j] = dL/dS[i] * surrogate[i] *
# x[j] with the arctan surrogate 1 / (1 + (pi * (U - 1))^2).
B = 1 / (math.e + 1)
S = [1 / (1 + (math.pi * distance) ** 2) for distance in (0.4, 0.5, 0.36)]
CHANGES = [  # w * dL/dw of the two batches, for each synapse
    (1.2 * 1.0 * -B * S[0], 1.2 * 0.2 * 0.5 * S[2]),
    (0.4 * 0.5 * -B * S[0], 0.4 * 1.0 * 0.5 * S[2]),
    (0.2 * 1.0 * B * S[1], 0.2 * 0.2 * -0.5 * S[2]),
    (0.6 * 0.5 * B * S[1], 0.6 * 1.0 * -0.5 * S[2]),
]


@pytest.mark.parametrize(
    ("name", "score", "best"),
    [
        ("taylor", lambda one, other: one**2 + other**2, 0),
        ("snip", lambda one, other: abs(one + other) / 2, 3),  # synapse 0's batches cancel in part
    ],
)
def test_taylor_and_snip_by_hand(name: str, score: Callable[[float, float], float], best: int) -> None:
    problem = problem_of(one_step_network(), [sample((1.0, 0.5), 0), sample((0.2, 1.0), 1)], 1)
    assert scores(name, problem) == pytest.approx([score(*change) for change in CHANGES], rel=1e-4)
    assert kept(name, problem) == [best]


def test_grasp_keeps_the_synapses_whose_removal_lowers_the_gradient_flow_most() -> None:
    network = build_network(ModelParams(layers=[4, 3], timesteps=2, threshold=0.4)).double()
    weight = network.layers[1].weight
    torch.manual_seed(0)
    torch.nn.init.normal_(weight)
    images, labels = torch.rand((6, 1, 2, 2), dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1, 2])
    loss = functional.cross_entropy(twice_differentiable(network, images, seed=0), labels)
    (gradient,) = torch.autograd.grad(loss, weight, create_graph=True)
    (slope,) = torch.autograd.grad(gradient.square().sum(), weight)
    change = (-weight * slope).detach().flatten()  # of the flow |g|^2 when w is removed, to first order
    assert change.min() < 0 < change.max()
    for keep in range(1, 12):
        found = kept("grasp", problem_of(network, [(images, labels)], keep))
        assert found == sorted(change.argsort()[:keep].tolist())
