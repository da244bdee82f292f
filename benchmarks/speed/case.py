"""What is timed: one net at one sparsity, with weights, spikes and images as those of a trained net."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Laplace

from snnprune.core.dataset import Split
from snnprune.core.lif import MultiStepLeaky, integrate
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams
from snnprune.pruning.mask import Mask, flatten, prunable_weights
from snnprune.pruning.select import keep_count, keep_top

LIT = 0.2  # share of pixels that are not black, as in MNIST's images
RATE = 0.12  # spikes of a layer, per neuron and step
SAMPLES = 256  # on which the rates are set


@dataclass(frozen=True)
class Case:
    """A pruned net (no form may change it), its mask, a batch, and each layer's spikes per neuron and step."""

    network: SpikingNetwork
    mask: Mask
    batch: Split
    rates: list[float]

    @property
    def densities(self) -> list[float]:
        """Synapses kept / all of them, by layer."""
        return [layer.count_nonzero().item() / layer.numel() for layer in self.mask.values()]

    def copy(self) -> SpikingNetwork:
        """The net, to be trained or changed."""
        return copy.deepcopy(self.network)

    def of(self, samples: int) -> "Case":
        """The same with the first samples of the batch only."""
        return Case(
            self.network, self.mask, Split(self.batch.images[:samples], self.batch.labels[:samples]), self.rates
        )


def make_case(layers: Sequence[int], sparsity: float | Sequence[float], batch: int, *, timesteps: int = 10) -> Case:
    """The same case at each call. The smallest weights of all layers are pruned together, so that layers differ as in
    trained nets, or each layer alone to a sparsity of its own."""
    torch.manual_seed(0)
    network = build_network(ModelParams(layers=list(layers), timesteps=timesteps))
    weights = prunable_weights(network)
    with torch.no_grad():
        for weight in weights.values():  # few large ones and many small ones, by the layer's inputs
            weight.copy_(Laplace(0.0, weight.shape[1] ** -0.5).sample(weight.shape))
    if isinstance(sparsity, Sequence):
        alone = zip(weights.items(), sparsity, strict=True)
        mask = Mask({name: _largest({name: weight}, own)[name] for (name, weight), own in alone})
    else:
        mask = _largest(weights, sparsity)
    mask.apply(weights)
    images, labels = make_batch(layers[0], layers[-1], max(batch, SAMPLES))
    return Case(network, mask, Split(images, labels), set_rates(network, images[:SAMPLES])).of(batch)


def make_batch(inputs: int, classes: int, batch: int) -> tuple[Tensor, Tensor]:
    """Images [B, 1, 1, inputs], a fifth of their pixels lit, and labels [B]; the same ones at each call."""
    generator = torch.Generator().manual_seed(0)
    shape = (batch, 1, 1, inputs)
    images = torch.rand(shape, generator=generator) * (torch.rand(shape, generator=generator) < LIT)
    return images, torch.randint(0, classes, (batch,), generator=generator)


@torch.no_grad()
def set_rates(network: SpikingNetwork, images: Tensor) -> list[float]:
    """Scale every layer until its neurons spike at `RATE`; the rates that they have then."""
    values, steps, rates = images.flatten(1), network.spec.timesteps, []
    for linear, neurons in zip(network.layers, network.layers[1:], strict=False):
        if not isinstance(linear, nn.Linear) or not isinstance(neurons, MultiStepLeaky):
            continue
        current = linear(values)
        constant = steps if current.dim() == 2 else None
        low, high = 1e-3, 1e3
        for _ in range(20):
            gain = (low * high) ** 0.5
            _, spikes = integrate(
                current * gain, constant, neurons.beta.item(), neurons.threshold.item(), reset_to_zero=False
            )
            low, high = (gain, high) if spikes.mean() < RATE else (low, gain)
        for parameter in linear.parameters():
            parameter.mul_(gain)
        rates.append(spikes.mean().item())
        values = spikes
    return rates


def _largest(weights: dict[str, nn.Parameter], sparsity: float) -> Mask:
    scores = flatten(weights).detach().abs()
    return Mask.dense(weights).with_vector(keep_top(scores, keep_count(sparsity, scores.numel())))
