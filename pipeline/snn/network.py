"""A feed-forward spiking network: a plain sequence of torch and snnTorch modules, run over time in one pass."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from pipeline.snn.dropout import MultiStepDropout
from pipeline.snn.encoding import encode, is_constant
from pipeline.snn.lif import MultiStepLeaky
from pipeline.snn.params import ModelParams


class SpikingNetwork(nn.Module):
    """Encoding, a sequence of layers, and the readout (spike counts over time).

    `layers` may hold any module: a `MultiStepLeaky` runs over time, every other one acts on each step alike. So
    another architecture is another sequence, and nothing outside this package needs to know.
    """

    def __init__(self, spec: ModelParams, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.spec = spec
        self.layers = nn.Sequential(*layers)

    def spikes(self, images: Tensor, *, seed: int | None = None) -> Tensor:
        """Output spikes, time-major [T, B, classes], for images [B, C, H, W] in 0..1.

        `seed` fixes a random encoding; without it the encoding draws from torch's global generator.
        """
        encoded = encode(images, self.spec.encoding, self.spec.timesteps, seed)
        return run_fused(self.layers, encoded, self.spec.timesteps, is_constant(self.spec.encoding))

    def forward(self, images: Tensor, *, seed: int | None = None) -> Tensor:
        """Spike counts [B, classes], 0..T each: the logits of the readout."""
        return self.spikes(images, seed=seed).sum(0)


def build_network(spec: ModelParams) -> SpikingNetwork:
    """A network with freshly drawn weights (from torch's global generator), after the `model` block."""
    layers: list[nn.Module] = [nn.Flatten()]
    sizes = list(zip(spec.layers[:-1], spec.layers[1:], strict=True))
    for index, (inputs, outputs) in enumerate(sizes):
        layers.append(nn.Linear(inputs, outputs))
        layers.append(MultiStepLeaky(spec.beta, spec.threshold, spec.reset, spec.surrogate))
        if spec.dropout > 0 and index < len(sizes) - 1:
            layers.append(MultiStepDropout(spec.dropout))
    return SpikingNetwork(spec, layers)


def run_fused(layers: nn.Sequential, values: Tensor, steps: int, constant: bool) -> Tensor:
    """Output [T, B, ...] of the layers for an input [T, B, ...], or for a `constant` one [B, ...].

    Each layer sees all steps at once; a constant input stays one step long up to the first spiking layer.
    """
    for layer in layers:
        if isinstance(layer, MultiStepLeaky):
            values = layer.multi_step(values, steps if constant else None)
            constant = False
        elif isinstance(layer, MultiStepDropout) and not constant:
            values = layer.multi_step(values)
        elif constant:
            values = layer(values)
        else:
            values = layer(values.flatten(0, 1)).unflatten(0, (steps, -1))
    return values.expand(steps, *values.shape) if constant else values


def run_loop(layers: nn.Sequential, values: Tensor, steps: int, constant: bool) -> Tensor:
    """The same as `run_fused` as a user of snnTorch writes it, step by step: the reference for tests and benchmarks."""
    membranes: dict[int, Tensor | None] = {}
    outputs = []
    for t in range(steps):
        now = values if constant else values[t]
        for index, layer in enumerate(layers):
            if isinstance(layer, MultiStepLeaky):
                membrane = membranes.get(index)
                now, membranes[index] = layer(now, torch.zeros_like(now) if membrane is None else membrane)
            else:
                now = layer(now)
        outputs.append(now)
    return torch.stack(outputs)
