"""Which synapses a mask may keep: at most k inputs a neuron, n of any m neighbours.

A limit on the inputs of a neuron, or of m neighbours, splits the synapses into groups of which each keeps so many at
most: a partition matroid. Groups of neighbours lie inside a neuron's, and a level limits the whole: a laminar matroid.
On a matroid the greedy choice is the one of largest sum of scores (Edmonds 1971), and on nested groups it is the best n
of each small group, the best k of those in each larger one, and so on: sorts, and exact.
"""

import torch
from torch import Tensor

from snnprune.limits.params import Limits
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Layers

NEVER = -torch.inf


def fan_in(scores: Layers, k: int) -> Mask:
    """The k best synapses into each neuron (row of a weight [outputs, ...]), all where it has fewer. Equal scores: the
    lower index first. A score of -inf is never kept."""
    return Mask({name: _best(layer.flatten(1), k).reshape(layer.shape) for name, layer in scores.items()})


def n_of_m(scores: Layers, n: int, m: int) -> Mask:
    """The n best of each m neighbours along a row of a weight [outputs, ...]; of a rest of fewer than m, n too. Equal
    scores: the lower index first. A score of -inf is never kept."""
    masks = {}
    for name, layer in scores.items():
        rows = layer.flatten(1)
        padded = torch.nn.functional.pad(rows, (0, -rows.shape[1] % m), value=NEVER)
        kept = _best(padded.unflatten(1, (-1, m)), n).flatten(1)
        masks[name] = kept[:, : rows.shape[1]].reshape(layer.shape)
    return Mask(masks)


def within_structure(scores: Layers, mask: Mask, limits: Limits) -> Mask:
    """The synapses of `mask` that are the best within fan-in and pattern; all of it without such limits."""
    if limits.pattern is not None:
        mask = n_of_m(_of(scores, mask), *limits.pattern)
    if limits.fan_in is not None:
        mask = fan_in(_of(scores, mask), limits.fan_in)
    return mask


def _of(scores: Layers, mask: Mask) -> dict[str, Tensor]:
    return {name: scores[name].masked_fill(~mask[name], NEVER) for name in mask}


def _best(scores: Tensor, count: int) -> Tensor:
    """The `count` best along the last axis, booleans."""
    order = torch.sort(scores, dim=-1, descending=True, stable=True).indices[..., :count]
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(-1, order, True) & (scores != NEVER)
