"""Whole neurons removed, so that what is left is a smaller dense net: a heuristic.

Neurons go by their score for each unit of cost, the sum over their inputs and outputs, relative to the mean of their
layer, lowest first: without that relation the layers of the lower scores are emptied. The best set is no sort: two
neurons that are joined share a synapse, and to find it is a densest-subgraph problem, which is NP-hard.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from snnprune.limits.costs import Costs, by_channel
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Layers


def whole_neurons(scores: Layers, mask: Mask, costs: Costs, limit: float) -> Mask:
    """`mask` without as few hidden neurons (channels of a convolution), each with its inputs and outputs, as bring the
    costs within `limit`; without all but the best one of each layer, where even these cost more.

    scores, costs: >= 0, of layers that feed each other in this order: the channels of a weight [outputs, inputs, ...]
    are the outputs of the one before, each perhaps at several positions.
    """
    ratios = [_ratios(scores, costs, mask, *names) for names in pairwise(mask)]
    best = [ratio.index_fill(0, ratio.argmax(), torch.inf) for ratio in ratios]
    order = torch.sort(torch.cat([torch.empty(0), *best]), stable=True).indices
    fewest, most = 0, len(order) - len(ratios)
    while fewest < most:
        count = (fewest + most) // 2
        fits = costs.of(_without(mask, ratios, order[:count])) <= limit
        fewest, most = (fewest, count) if fits else (count + 1, most)
    return _without(mask, ratios, order[:fewest])


def _ratios(scores: Layers, costs: Costs, mask: Mask, before: str, after: str) -> Tensor:
    """Score for each unit of cost of the neurons [neurons] between two layers, relative to their mean; 0 of one that
    costs nothing."""
    sums = []
    for values in (scores, costs.by_synapse):
        inputs, outputs = (torch.where(mask[name], values[name].double(), 0.0) for name in (before, after))
        sums.append(inputs.flatten(1).sum(1) + by_channel(outputs, len(inputs)).sum((0, 2)))
    sums[1] += costs.by_neuron(mask).get(before, 0.0)
    ratios = torch.where(sums[1] > 0, sums[0] / sums[1], 0.0)
    return ratios / ratios.mean() if ratios.any() else ratios


def _without(mask: Mask, ratios: Sequence[Tensor], gone: Tensor) -> Mask:
    """`mask` without these of all hidden neurons, and what reads them."""
    sizes = [len(ratio) for ratio in ratios]
    chosen = torch.zeros(sum(sizes), dtype=torch.bool).index_fill(0, gone, True).split(sizes)
    layers = {name: layer.clone() for name, layer in mask.items()}
    for (before, after), neurons in zip(pairwise(mask), chosen, strict=True):
        layers[before][neurons] = False
        by_channel(layers[after], len(neurons))[:, neurons] = False
    return Mask(layers)
