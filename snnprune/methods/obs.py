"""Optimal Brain Surgeon for spiking layers: prune what the rest can make up for, in rounds, making up for it in each.

To set weight j of a row to zero, and solve the row's others anew, costs the square error of its current
w_j^2 / [G^-1]_jj (Hassibi and Stork, 1992), with G the gram matrix of the layer's filtered inputs (Spiking Brain
Compression, arXiv 2506.03996; `snnprune.pruning.compensate`). Rows of all layers become comparable by how far their
neuron's current moves the spike counts that are read out (`neuron_gains`): a Gauss-Newton matrix in Kronecker factors,
as K-FAC's (arXiv 1503.05671), of the counts' square error. That of the cross-entropy sees only samples in doubt.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import pydantic
import torch
from torch import Tensor

from snnprune.core.network import SpikingNetwork, encoded_input, evaluating, run_fused
from snnprune.core.schema import Block, Count
from snnprune.core.seeds import derive_seed
from snnprune.pruning.compensate import DAMPING, SAMPLES, Compensation, require_plain, some_of
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.problem import Problem
from snnprune.pruning.select import keep_top

FIRST = 0.4  # what goes first hardly matters to what is left, and large rows are what takes time


class Params(Block):
    """`keep`: the share of the synapses left that a round keeps (the first of a dense net keeps `FIRST`). `samples`: of
    the training batches that criticality is measured on, at most. `damping`: see `snnprune.pruning.compensate`."""

    keep: Annotated[float, pydantic.Field(gt=0, lt=1)] = 0.6
    samples: Count = SAMPLES
    damping: Annotated[float, pydantic.Field(gt=0, le=1)] = DAMPING


def prune(problem: Problem, params: Params) -> Mask:
    """In rounds: the weights solved anew on a copy, their saliencies, the mask. Raises UserError: the network runs a
    forward of its own."""
    require_plain(problem.network, "obs")
    batches = some_of(problem.samples(), params.samples)
    compensation = Compensation(problem.network, batches, damping=params.damping, seed=problem.seed)
    gains = neuron_gains(problem.network, batches, problem.seed)
    network, mask = problem.network, problem.mask
    first = FIRST if mask.nnz == mask.size else params.keep
    for keep in _steps(mask.nnz, problem.keep, params.keep, first):
        network, inverses = compensation.step(mask, network)
        saliencies = {
            name: (weight.detach().double().square() / inverses[name].clamp(min=torch.finfo(torch.double).tiny)).cpu()
            * gains[name].view(-1, *[1] * (weight.dim() - 1))
            for name, weight in prunable_weights(network).items()
        }
        left = replace(problem, mask=mask, keep=keep)
        mask = left.choose(lambda pick, count, scores=saliencies: keep_top(pick(scores), count))  # of this round alone
    return mask


def _steps(alive: int, keep: int, share: float, first: float) -> list[int]:
    """Synapses that each round keeps, down to `keep`: the share `first` of those alive, then `share` of those left."""
    steps = []
    while alive > keep:
        alive = max(keep, int(first * alive))
        steps.append(alive)
        first = share
    return steps


def neuron_gains(network: SpikingNetwork, batches: Sequence[Tensor], seed: int) -> dict[str, Tensor]:
    """Weight -> [outputs], float64 on the CPU: how far a current into the neurons that it feeds, added at every step,
    moves the readout: the squared derivatives of the spike counts, summed over classes, means over samples and
    positions. The sum is estimated by the derivative of a sum with random signs, whose square has it as its mean."""
    names = list(prunable_weights(network))
    sums = {name: torch.zeros(len(network.get_parameter(name)), dtype=torch.double) for name in names}
    generator = torch.Generator().manual_seed(seed)
    with evaluating(network):
        for batch, images in enumerate(batches):
            counts, added = _with_currents(network, images, derive_seed(seed, batch))
            signs = 2 * torch.randint(2, counts.shape, generator=generator).to(counts) - 1
            gradients = torch.autograd.grad((counts * signs).sum(), added)
            for name, gradient in zip(names, gradients, strict=True):
                sums[name] += gradient.double().square().reshape(*gradient.shape[:2], -1).mean(2).sum(0).cpu()
    return {name: total / sum(map(len, batches)) for name, total in sums.items()}


def _with_currents(network: SpikingNetwork, images: Tensor, seed: int) -> tuple[Tensor, list[Tensor]]:
    """Spike counts [B, classes], and for each weight a current of zeros [B, outputs, ...] that was added to its output
    at every step."""
    values, steps, constant = encoded_input(network.spec, images, None, seed)
    weights, added, first = set(map(id, prunable_weights(network).values())), [], 0
    for index, layer in enumerate(network.layers, start=1):
        if id(getattr(layer, "weight", None)) in weights:
            values = run_fused(network.layers[first:index], values, steps, constant)
            added.append(torch.zeros_like(values[0], requires_grad=True))
            values, constant, first = values + added[-1], False, index
    return run_fused(network.layers[first:], values, steps, constant).sum(0), added
