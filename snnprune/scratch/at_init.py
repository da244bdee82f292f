"""What synapses of an untrained network are ranked by."""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork, evaluating
from snnprune.core.seeds import derive_seed
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.problem import Layers, Problem
from snnprune.pruning.scores import NO_BATCH, Batches

ROUNDS = 100  # Tanaka et al.'s


def snip_scores(network: SpikingNetwork, batches: Batches, *, seed: int) -> dict[str, Tensor]:
    """|w * dL/dw| in the weights' shapes, the gradient summed over the batches before its absolute value is taken (Lee
    et al., arXiv 1810.02340, whose division by the sum changes no rank), through the surrogate gradient.

    `batches` are images [B, C, H, W] and labels [B]; `seed` fixes a random encoding. The network is in evaluation mode
    meanwhile and stays as it is. Raises ValueError: no batch.
    """
    weights = prunable_weights(network)
    sums = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    count = 0
    with evaluating(network):
        for count, (images, labels) in enumerate(batches, start=1):
            loss = functional.cross_entropy(network(images, seed=derive_seed(seed, count - 1)), labels)
            for total, gradient in zip(sums.values(), torch.autograd.grad(loss, list(weights.values())), strict=True):
                total += gradient
    if count == 0:
        raise ValueError(NO_BATCH)
    return {name: (total * weights[name].detach()).abs().cpu() for name, total in sums.items()}


def synflow_mask(problem: Problem) -> Mask:
    """The mask of `problem.keep` synapses after 100 rounds, each ranked by `synflow_scores` of what the round before
    left: round k keeps size * (keep / size)^(k / 100) of the prunable synapses (Tanaka et al., arXiv 2006.05467)."""
    images, _ = next(iter(problem.samples()))
    shape, mask, size = tuple(images.shape[-3:]), problem.mask, problem.mask.nnz
    for number in range(1, ROUNDS + 1):
        keep = round(size * (problem.keep / size) ** (number / ROUNDS)) if number < ROUNDS else problem.keep
        weights = {name: weight * mask[name] for name, weight in problem.weights.items()}
        mask = replace(problem, mask=mask, keep=keep).keep_top(synflow_scores(problem.network, weights, shape))
    return mask


def synflow_scores(network: SpikingNetwork, weights: Layers, shape: tuple[int, ...]) -> dict[str, Tensor]:
    """|w| * dR/d|w| in float64, where R is the sum of the outputs for an input of ones [1, *shape] if every weight is
    its absolute value, neurons pass their current on and there are no biases: the sum over the paths through a synapse
    of the product of their weights."""
    sizes = {name: weight.detach().double().abs().requires_grad_() for name, weight in weights.items()}
    values = torch.ones(1, *shape, dtype=torch.float64)
    for name, layer in network.layers.named_children():
        weight = sizes.get(f"layers.{name}.weight")
        if weight is not None:
            biases = {} if layer.bias is None else {"bias": torch.zeros(len(weight), dtype=torch.float64)}
            values = functional_call(layer, {"weight": weight, **biases}, values)
        elif not isinstance(layer, MultiStepLeaky | nn.Dropout):
            values = layer(values)
    gradients = torch.autograd.grad(values.sum(), list(sizes.values()))
    return {name: size.detach() * gradient for (name, size), gradient in zip(sizes.items(), gradients, strict=True)}
