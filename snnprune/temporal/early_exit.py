"""Stops each sample as soon as its answer is clear: a front of accuracy against mean time steps."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from snnprune.core.encoding import encode, is_constant
from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork, evaluating


@dataclass(frozen=True)
class Exits:
    """For each sample its class [B] and the steps that were run for it [B], 1..T."""

    classes: Tensor
    steps: Tensor


def gap(counts: Tensor) -> Tensor:
    """How clear the answer is, 0..1: largest minus second largest of softmax(counts), [..., classes] -> [...]."""
    top = counts.double().softmax(-1).topk(2, -1).values
    return top[..., 0] - top[..., 1]


def exits_of(spikes: Tensor, threshold: float) -> Exits:
    """Where every sample would stop, from the spikes of a whole run [T, N, classes]; for choosing the threshold."""
    counts = spikes.cumsum(0)
    clear = gap(counts) >= threshold
    clear[-1] = True
    at = clear.int().argmax(0)
    return Exits(classes=counts[at, torch.arange(counts.shape[1])].argmax(1), steps=at + 1)


@torch.no_grad()
def run_with_exits(network: SpikingNetwork, images: Tensor, threshold: float, *, seed: int | None = None) -> Exits:
    """Run images [B, C, H, W] step by step and drop every sample whose gap has reached `threshold`. A sample that has
    stopped is computed no further, unless the network runs the user's own forward (`snnprune.adapters`). Evaluation
    mode; stops all at T."""
    if not isinstance(network, SpikingNetwork):  # its own forward knows no single step: what is said is the same
        return exits_of(network.spikes(images, seed=seed), threshold)
    steps = network.spec.timesteps
    encoded = encode(images, network.spec.encoding, steps, seed)
    constant = is_constant(network.spec.encoding)
    classes = torch.zeros(len(images), dtype=torch.long, device=images.device)
    ended = torch.full_like(classes, steps)
    running = torch.arange(len(images), device=images.device)
    membranes: dict[int, Tensor] = {}
    counts: Tensor | None = None
    with evaluating(network):
        for t in range(steps):
            now = encoded[running] if constant else encoded[t, running]
            spikes = _step(network.layers, now, membranes)
            counts = spikes if counts is None else counts + spikes
            stop = gap(counts) >= threshold if t + 1 < steps else torch.ones(len(running), dtype=torch.bool)
            classes[running[stop]] = counts[stop].argmax(1)
            ended[running[stop]] = t + 1
            running, counts = running[~stop], counts[~stop]
            membranes = {index: membrane[~stop] for index, membrane in membranes.items()}
            if len(running) == 0:
                break
    return Exits(classes=classes, steps=ended)


def _step(layers: nn.Sequential, now: Tensor, membranes: dict[int, Tensor]) -> Tensor:
    """One time step through all layers as snnTorch runs it; `membranes` is brought forward."""
    for index, layer in enumerate(layers):
        if isinstance(layer, MultiStepLeaky):
            now, membranes[index] = layer(now, membranes.get(index, torch.zeros_like(now)))
        else:
            now = layer(now)
    return now
