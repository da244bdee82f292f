"""RigL (Evci et al., arXiv 1911.11134): every so many steps the synapses with the smallest |w| of each layer make room
for as many with the largest |gradient|, a share that falls along a cosine. The paper takes no optimiser step where the
mask moves; here it is taken first. What has just been dropped may come back at a later change only."""

import math

from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Layers, Problem
from snnprune.scratch.densities import random_mask
from snnprune.scratch.rewiring import Change, Rewiring, Run

ALPHA = 0.3  # share of a layer's synapses at the first change; the paper's
STOP = 0.75  # of all steps, from which on the mask stays; the paper's


def mask(problem: Problem) -> Mask:
    """Synapses drawn at random, with the layer densities of an Erdos-Renyi graph (of kernels, too)."""
    return random_mask(problem.mask, problem.keep, problem.seed)


def share(step: int, run: Run) -> float:
    """alpha / 2 * (1 + cos(pi * step / end)) at every `run.every`-th step before the end, else 0."""
    end = STOP * run.steps
    if step % run.every or step >= end:
        return 0.0
    return ALPHA / 2 * (1 + math.cos(math.pi * step / end))


def scores(change: Change) -> Layers:
    """|dL/dw| of the last batch, of synapses that are not there as well."""
    return {name: gradient.abs() for name, gradient in change.gradient().items()}


REWIRING = Rewiring(share, scores)
