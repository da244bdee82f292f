"""What synapses are ranked by: criticality through the surrogate gradient, and CQP's combined importance."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.pruning.mask import flatten, prunable_weights, unflatten
from pipeline.runtime import derive_seed
from pipeline.snn.network import SpikingNetwork


def criticality(
    network: SpikingNetwork, batches: Iterable[tuple[Tensor, Tensor]], kind: str, *, seed: int
) -> dict[str, Tensor]:
    """Criticality of every synapse, in the weights' shapes, >= 0.

    By backpropagation through time over `batches` of images [B, C, H, W] and labels [B], in evaluation mode:
    `sensitivity` is the mean over batches of |dL/dw|, `taylor` of |w * dL/dw| (first-order Taylor expansion of the
    loss; Molchanov et al., arXiv 1611.06440). `seed` fixes a random encoding. Weights, gradients and mode of
    the network are left as they were.

    Raises:
        ValueError: unknown kind, or no batch.
    """
    if kind not in ("sensitivity", "taylor"):
        raise ValueError(f"unknown criticality kind {kind!r}; allowed are: sensitivity, taylor")
    weights = prunable_weights(network)
    sums = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    training, count = network.training, 0
    network.eval()
    for images, labels in batches:
        loss = functional.cross_entropy(network(images, seed=derive_seed(seed, count)), labels)
        gradients = torch.autograd.grad(loss, list(weights.values()))
        for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
            sums[name] += gradient.abs() if kind == "sensitivity" else (weight.detach() * gradient).abs()
        count += 1
    network.train(training)
    if count == 0:
        raise ValueError("criticality needs at least one batch")
    return {name: total.cpu() / count for name, total in sums.items()}


def normalized(scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Scores divided by their maximum over all layers, so that they lie in 0..1; all zero stays all zero."""
    vector = flatten(scores)
    top = vector.max()
    return unflatten(vector / top if top > 0 else vector, scores)


def importance(weights: Mapping[str, Tensor], critical: Mapping[str, Tensor], alpha: float) -> dict[str, Tensor]:
    """CQP's combined importance |w| * C^alpha with C in 0..1 (arXiv 2606.30676); alpha 0 is magnitude."""
    scaled = normalized(critical)
    return {name: weights[name].abs() * scaled[name] ** alpha for name in weights}
