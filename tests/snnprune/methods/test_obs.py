"""The method obs: what it measures, by autograd sample by sample, and whom it spares, by hand."""

import pytest
import torch
from torch import Tensor

import snnprune
from snnprune.core.errors import UserError
from snnprune.core.network import SpikingNetwork
from snnprune.methods.obs import Params, _steps, neuron_gains, prune
from snnprune.pruning.compensate import Compensation
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.problem import Problem
from snnprune.pruning.registry import load_method


def problem_of(network: SpikingNetwork, images: Tensor, keep: int) -> Problem:
    weights = {name: weight.detach() for name, weight in prunable_weights(network).items()}
    samples = lambda: iter([(images, torch.zeros(len(images), dtype=torch.long))])  # noqa: E731
    return Problem(weights, Mask.dense(weights), keep, "global", 0, dict, network, samples)


@pytest.mark.parametrize("layers", [[16, 6, 4, 1], "4x4-2C4-1"])
def test_gains_are_the_squared_derivatives_of_the_count(layers: object) -> None:
    """Of one class a random sign squares to 1, so that the estimate is exact: each sample's derivative by a bias. The
    convolution has one position, as many as its bias has neurons."""
    network = snnprune.build(layers, timesteps=5, threshold=0.2)
    images = torch.rand((7, 1, 4, 4), generator=torch.Generator().manual_seed(0))
    found = neuron_gains(network, [images[:4], images[4:]], seed=0)
    biases = [network.get_parameter(name.replace("weight", "bias")) for name in found]
    each = [torch.autograd.grad(network(image[None]).sum(), biases) for image in images]
    for name, gradients in zip(found, zip(*each, strict=True), strict=True):
        assert found[name].any()
        assert torch.allclose(found[name], torch.stack(gradients).double().square().mean(0), rtol=1e-4)


def test_one_of_two_equal_inputs_goes_before_a_smaller_weight() -> None:
    """Two pixels are always equal, so that one weight can do the work of both; magnitude would prune the third."""
    network = snnprune.build([3, 1], timesteps=3)
    with torch.no_grad():
        network.layers[1].weight.copy_(torch.tensor([[1.0, 1.1, 0.5]]))
    images = torch.rand((50, 1, 1, 3), generator=torch.Generator().manual_seed(0))
    images[..., 1] = images[..., 0]
    problem = problem_of(network, images, 2)
    assert prune(problem, Params()).vector().tolist() == [False, True, True]
    assert load_method("magnitude").prune(problem, load_method("magnitude").params()).vector().tolist()[2] is False
    left = Compensation(network, [images], damping=1e-6).network(prune(problem, Params())).layers[1].weight
    assert torch.allclose(left, torch.tensor([[0.0, 2.1, 0.5]]), atol=1e-3)


def test_its_masks_lose_less_current_than_those_of_magnitude() -> None:
    network = snnprune.build([36, 12], timesteps=4)
    mixed = torch.randn((6, 36), generator=torch.Generator().manual_seed(0))
    images = (torch.rand((200, 6), generator=torch.Generator().manual_seed(1)) @ mixed).view(-1, 1, 6, 6)
    problem = problem_of(network, images, 48)
    masks = [prune(problem, Params()), load_method("magnitude").prune(problem, load_method("magnitude").params())]
    nets = [Compensation(network, [images]).network(mask) for mask in masks]
    with torch.no_grad():
        mine, magnitude = ((net.layers[:2](images) - network.layers[:2](images)).square().mean() for net in nets)
    assert mine < 0.8 * magnitude


@pytest.mark.parametrize(
    ("alive", "keep", "steps"),
    [(1000, 1000, []), (1000, 600, [600]), (1000, 250, [400, 250]), (1000, 60, [400, 200, 100, 60]), (9, 0, [3, 1, 0])],
)
def test_rounds_keep_a_share_each(alive: int, keep: int, steps: list[int]) -> None:
    assert _steps(alive, keep, 0.5, 0.4) == steps


def test_a_problem_of_bare_weights_is_refused() -> None:
    weights = {"weight": torch.ones(2, 2)}
    bare = Problem(weights, Mask.dense(weights), 2, "global", 0, dict)
    with pytest.raises(UserError, match="obs: is for networks"):
        prune(bare, Params())
