"""Sparse evolutionary training (SET; Mocanu et al., arXiv 1707.04780): after every epoch but the last the share zeta of
each layer's synapses, those with the smallest |w|, makes room for as many at random. The paper takes the smallest
positive and the largest negative weights by sign; here |w| alone counts."""

import torch

from snnprune.core.seeds import derive_seed
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Layers, Problem
from snnprune.scratch.densities import random_mask
from snnprune.scratch.rewiring import Change, Rewiring, Run

ZETA = 0.3  # the paper's


def mask(problem: Problem) -> Mask:
    """Synapses drawn at random, with the layer densities of an Erdos-Renyi graph."""
    return random_mask(problem.mask, problem.keep, problem.seed)


def share(step: int, run: Run) -> float:
    """zeta after the last step of every epoch but the last, else 0."""
    return ZETA if step % run.epoch == 0 and step < run.steps else 0.0


def scores(change: Change) -> Layers:
    """Drawn at random."""
    return {
        name: torch.rand(layer.shape, generator=torch.Generator().manual_seed(derive_seed(change.seed, place)))
        for place, (name, layer) in enumerate(change.mask.items())
    }


REWIRING = Rewiring(share, scores)
