"""How a mask moves while its network is trained: layer by layer some synapses go, and as many others come."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Layers
from snnprune.pruning.select import keep_top


@dataclass(frozen=True)
class Run:
    """Optimiser steps of a whole training, of one of its epochs, and between two changes of a mask that does not move
    by the epoch."""

    steps: int
    epoch: int
    every: int


@dataclass(frozen=True)
class Change:
    """The moment at which a mask moves. weights: name -> weight, zero outside `mask`. gradient: computes dL/dw of the
    last batch in the weights' shapes, of synapses outside the mask too. seed: for what is drawn now."""

    weights: Layers
    mask: Mask
    gradient: Callable[[], Layers]
    seed: int


@dataclass(frozen=True)
class Rewiring:
    """A rule. share: (step, run) -> the share of a layer's synapses that move after this step, 1 <= step <= run.steps;
    mostly 0. scores: of the synapses outside the mask; the highest come."""

    share: Callable[[int, Run], float]
    scores: Callable[[Change], Layers]


def rewired(change: Change, share: float, scores: Layers) -> Mask:
    """The mask in which of every layer round(share * synapses) synapses, those with the smallest |w|, are replaced by
    as many with the highest scores among those outside the mask (fewer where fewer are outside); among equals the lower
    index stays, or comes. Every layer has as many synapses as before."""
    moved = {}
    for name, layer in change.mask.items():
        kept, weight = layer.reshape(-1), change.weights[name].reshape(-1)
        inside, outside = kept.nonzero().squeeze(1), (~kept).nonzero().squeeze(1)
        count = min(round(share * len(inside)), len(outside))
        stay = inside[keep_top(weight[inside].abs(), len(inside) - count)]
        come = outside[keep_top(scores[name].reshape(-1)[outside], count)]
        moved[name] = torch.zeros_like(kept).index_fill(0, torch.cat([stay, come]), True).view(layer.shape)
    return Mask(moved)
