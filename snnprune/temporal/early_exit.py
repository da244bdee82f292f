"""Stops each sample as soon as its answer is clear: a front of accuracy against mean time steps."""

from collections.abc import Iterable, Sequence
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


@dataclass(frozen=True)
class ExitPoint:
    """What a threshold does on a split: mean steps of a sample, and accuracy (0..1)."""

    threshold: float
    steps: float
    accuracy: float


def exit_points(spikes: Tensor, labels: Tensor, thresholds: Iterable[float]) -> list[ExitPoint]:
    """The points of `thresholds` and of 1, which no gap reaches, so that nothing stops before T; by rising threshold.
    Spikes are of a whole run, [T, N, classes]."""
    points = []
    for threshold in sorted({*thresholds, 1.0}):
        exits = exits_of(spikes, threshold)
        correct = (exits.classes == labels).double().mean().item()
        points.append(ExitPoint(threshold, exits.steps.double().mean().item(), correct))
    return points


def cheapest_exit(points: Sequence[ExitPoint], delta: float) -> ExitPoint:
    """Of `exit_points` the one with the fewest mean steps that loses at most `delta` of accuracy against the last one,
    all T steps. It is the one with the lowest energy, too: with a lower threshold no sample stops later, and a run of
    fewer steps computes less."""
    good = [point for point in points if point.accuracy >= points[-1].accuracy - delta]
    return min(good, key=lambda point: point.steps)


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
