"""Methods that measure the network themselves: lamp, wanda, sf_imp, taylor, snip and grasp against their definitions."""

import math

import pytest
import torch
from torch import Tensor, nn

from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams
from snnprune.methods import grasp, lamp, sf_imp, snip, taylor, wanda
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.problem import Problem

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


def kept(method: object, network: SpikingNetwork, batches: Batches, keep: int, critical: Tensor | None = None) -> list:
    weights = {name: weight.detach() for name, weight in prunable_weights(network).items()}

    def by_kind(kind: str | None = None) -> dict[str, Tensor]:
        assert kind == "membrane"
        return {NAME: critical}

    problem = Problem(weights, Mask.dense(weights), keep, "global", 0, by_kind, network, lambda: iter(batches))
    return method.prune(problem, method.Params()).vector().nonzero().flatten().tolist()


def order(method: object, network: SpikingNetwork, batches: Batches, critical: Tensor | None = None) -> list[int]:
    """Indices from the best to the worst, from what is kept of 1, 2, ... synapses."""
    found: list[int] = []
    for keep in range(1, 5):
        found += set(kept(method, network, batches, keep, critical)) - set(found)
    return found


def sample(x: tuple[float, float], label: int) -> tuple[Tensor, Tensor]:
    return torch.tensor(x).reshape(1, 1, 1, 2), torch.tensor([label])


def test_wanda_by_hand() -> None:
    # Norms of the inputs (1, 0.5), (0, 2): 1 and sqrt(4.25) = 2.06. Scores 1.2, 0.82, 0.2, 1.24.
    assert order(wanda, one_step_network(), [sample((1.0, 0.5), 0), sample((0.0, 2.0), 0)]) == [3, 0, 1, 2]


def test_sf_imp_by_hand() -> None:
    # Means of the inputs (1, 0.5), (0, 2): 0.5 and 1.25; densities 3 and 1. Scores 1.8, 1.5, 0.1, 0.75.
    density = torch.tensor([[3.0, 3.0], [1.0, 1.0]])
    batches = [sample((1.0, 0.5), 0), sample((0.0, 2.0), 0)]
    assert order(sf_imp, one_step_network(), batches, density) == [0, 1, 3, 2]
    assert order(sf_imp, one_step_network(), batches, 1 / density) == [3, 0, 1, 2]  # 0.2, 0.17, 0.1, 0.75


# x = (1, 0.5): U = (1.4, 0.5), S = (1, 0), softmax(S) = (e, 1) / (e + 1). dL/dS is (a, -a) for label 1, (-b, b) for label
# 0, with a = e / (e + 1) = 0.73 and b = 0.27; the surrogates are 0.388 and 0.288. So |w * dL/dw| is a or b times
# 1.2 * 0.388, 0.2 * 0.388, 0.2 * 0.288, 0.3 * 0.288 = 0.466, 0.078, 0.058, 0.087.
# x = (0.5, 1): U = (1.0, 0.7), S = (0, 0), dL/dS = (0.5, -0.5) for label 1; the surrogates are 1 and 0.530, and |w * dL/dw|
# is 0.5 times 0.6, 0.4, 0.053, 0.318.
A, B = math.e / (math.e + 1), 1 / (math.e + 1)
S = [1 / (1 + (math.pi * 0.4) ** 2), 1 / (1 + (math.pi * 0.5) ** 2), 1.0, 1 / (1 + (math.pi * 0.3) ** 2)]


def scores_by_hand(power: int, absolute_after: bool) -> list[float]:
    """Of the batches (1, 0.5) with label 0 and (0.5, 1) with label 1."""
    first = [1.2 * S[0] * -B, 0.2 * S[0] * -B, 0.2 * S[1] * B, 0.3 * S[1] * B]
    second = [0.6 * S[2] * 0.5, 0.4 * S[2] * 0.5, 0.1 * S[3] * -0.5, 0.6 * S[3] * -0.5]
    pairs = zip(first, second, strict=True)
    return [abs(one + two) if absolute_after else abs(one) ** power + abs(two) ** power for one, two in pairs]


@pytest.mark.parametrize(("method", "power", "after"), [(taylor, 2, False), (snip, 1, True)])
def test_taylor_and_snip_by_hand(method: object, power: int, after: bool) -> None:
    scores = scores_by_hand(power, after)
    batches = [sample((1.0, 0.5), 0), sample((0.5, 1.0), 1)]
    assert order(method, one_step_network(), batches) == sorted(range(4), key=lambda index: -scores[index])


def test_batches_cancel_in_snip_and_not_in_taylor() -> None:
    # The gradients of labels 0 and 1 on one image are opposite, b to a: three batches of 0 nearly cancel one of 1.
    network = one_step_network()
    batches = [sample((1.0, 0.5), 0)] * 3 + [sample((1.0, 0.5), 1)]
    gradients = {name: weight * 0 for name, weight in prunable_weights(network).items()}
    for images, labels in batches:
        loss = nn.functional.cross_entropy(network(images), labels)
        gradients[NAME] = gradients[NAME] + torch.autograd.grad(loss, network.layers[1].weight)[0]
    assert gradients[NAME].abs().max() < 0.05  # (a - 3 b) * 0.388
    assert order(taylor, network, batches) == order(snip, network, batches) == [0, 3, 1, 2]


def test_grasp_keeps_the_synapses_whose_removal_lowers_the_gradient_flow_most() -> None:
    """|g|^2 of the surrogate, with a synapse scaled by a little, against its rank; signs included."""
    from snnprune.pruning.curvature import twice_differentiable

    network = build_network(ModelParams(layers=[4, 3], timesteps=2, threshold=0.4)).double()
    torch.manual_seed(0)
    with torch.no_grad():
        network.layers[1].weight.copy_(torch.randn(3, 4))
    images, labels = torch.rand((6, 1, 2, 2), dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1, 2])
    weight = network.layers[1].weight
    loss = nn.functional.cross_entropy(twice_differentiable(network, images, seed=0), labels)
    (gradient,) = torch.autograd.grad(loss, weight, create_graph=True)
    (slope,) = torch.autograd.grad(gradient.square().sum(), weight)
    change = (-weight * slope).detach().flatten()  # of the flow when w is removed, to first order
    assert change.min() < 0 < change.max()
    lowering = change.argsort().tolist()
    weights = {NAME: weight.detach().clone()}
    for keep in range(1, 12):
        problem = Problem(
            weights,
            Mask.dense(weights),
            keep,
            "global",
            0,
            lambda kind=None: {},
            network,
            lambda: iter([(images, labels)]),
        )
        found = grasp.prune(problem, grasp.Params()).vector().nonzero().flatten().tolist()
        assert found == sorted(lowering[:keep])
