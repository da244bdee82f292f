"""The Hessian times the gradient: against snnTorch's own neurons derived twice, and torch's own Hessian."""

import pytest
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams, Surrogate
from snnprune.pruning.curvature import hessian_times_gradient, twice_differentiable
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.scores import mean_gradient
from tests.snnprune import snntorch_loop

NEURONS = {
    "atan": {"threshold": 0.3},
    "to zero": {"beta": 0.7, "threshold": 0.2, "reset": "zero", "surrogate": Surrogate(name="fast_sigmoid", slope=5.0)},
}


def network_of(layers: str, neurons: str = "atan") -> SpikingNetwork:
    torch.manual_seed(0)
    return build_network(ModelParams(layers=layers, timesteps=3, **NEURONS[neurons])).eval()


def batches() -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    images, labels = torch.rand((20, 1, 4, 4), generator=generator), torch.randint(3, (20,), generator=generator)
    return list(zip(images.split(10), labels.split(10), strict=True))


@pytest.mark.parametrize("neurons", NEURONS)
@pytest.mark.parametrize("layers", ["16-6-3", "4x4-2C3-3"])
def test_it_is_that_of_snntorchs_loop(layers: str, neurons: str) -> None:
    network = network_of(layers, neurons)
    weights = prunable_weights(network)
    losses = []
    for images, labels in batches():
        spikes, _ = snntorch_loop.run(snntorch_loop.layers_of(network), [images] * 3)
        losses.append(functional.cross_entropy(spikes.sum(0), labels))
    gradients = torch.autograd.grad(sum(losses) / 2, list(weights.values()), create_graph=True)
    half_square = sum(gradient.square().sum() for gradient in gradients) / 2  # whose gradient is H g
    expected = torch.autograd.grad(half_square, list(weights.values()))
    found = hessian_times_gradient(network, lambda: iter(batches()), Mask.dense(weights), seed=0)
    for name, product in zip(weights, expected, strict=True):
        assert product.any()
        torch.testing.assert_close(found[name], product, rtol=1e-3, atol=1e-6)


def test_it_is_torchs_hessian_over_the_synapses_that_are_left() -> None:
    network = network_of("16-3")
    (name, weight), (images, labels) = next(iter(prunable_weights(network).items())), batches()[0]
    mask = Mask({name: torch.rand(weight.shape) < 0.5})
    mask.apply({name: weight})

    def loss(given: Tensor) -> Tensor:
        class Forward(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.network = network

            def forward(self) -> Tensor:
                return twice_differentiable(network, images, seed=0)

        return functional.cross_entropy(functional_call(Forward(), {f"network.{name}": given}, ()), labels)

    kept = mask[name].flatten()
    hessian = torch.autograd.functional.hessian(loss, weight.detach()).reshape(len(kept), len(kept))
    gradient = mean_gradient(network, [(images, labels)], seed=0)[name].flatten()
    expected = (hessian[kept][:, kept] @ gradient[kept])[:, None].squeeze(1)
    found = hessian_times_gradient(network, lambda: iter([(images, labels)]), mask, seed=0)[name].flatten()
    torch.testing.assert_close(found[kept], expected, rtol=1e-3, atol=1e-6)
    assert not found[~kept].any()


@pytest.mark.parametrize("neurons", NEURONS)
@pytest.mark.parametrize("layers", ["16-6-3", "4x4-2C3-3"])
def test_the_forward_gives_the_same_spikes(layers: str, neurons: str) -> None:
    network, (images, _) = network_of(layers, neurons), batches()[0]
    assert torch.equal(twice_differentiable(network, images, seed=0), network(images))


def test_no_batch() -> None:
    network = network_of("16-3")
    with pytest.raises(ValueError, match="needs at least one batch"):
        hessian_times_gradient(network, lambda: iter([]), Mask.dense(prunable_weights(network)), seed=0)
