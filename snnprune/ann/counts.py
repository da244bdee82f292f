"""What a ReLU network computes on a split: accuracy, and the multiply-accumulates that neither a zero weight nor a zero
activation spares."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from snnprune.ann.quantise import QuantisedReLU
from snnprune.core.dataset import Split
from snnprune.core.network import SpikingNetwork, evaluating
from snnprune.core.training.evaluate import evaluation_batches
from snnprune.pruning.mask import prunable_weights
from snnprune.sparse.counts import LayerCounts, count_layer

ACTIVATIONS = (nn.ReLU, QuantisedReLU)


@dataclass(frozen=True)
class Counted:
    """accuracy: 0..1. macs: effective multiply-accumulates of a sample, a mean. dense_macs: those if nothing were zero.
    index_bits: bits of the indices fetched with the weights of these operations: ceil(log2) of how many weights an
    input of the layer meets, 0 of a layer with all its synapses. neurons: of all layers; each is updated once.
    active: share of the hidden neurons' activations that are not zero, 0 where there are none."""

    accuracy: float
    macs: float
    dense_macs: int
    index_bits: float
    neurons: int
    active: float


@torch.no_grad()
def count(network: SpikingNetwork, split: Split) -> Counted:
    """Run the split through a network of `relu_network`, quantised or not, and count on the way, by the rule of
    `snnprune.energy.operations`: all of its inputs are analogue."""
    correct, batches = 0, []
    widths = {name: _index_width(weight) for name, weight in prunable_weights(network).items()}
    with evaluating(network):
        for images, labels, _ in evaluation_batches(split):
            logits, counts = _observed(network, images)
            correct += int((logits.argmax(1) == labels).sum())
            batches.append(counts)
    samples, layers = len(split.labels), batches[0]
    hidden = sum(layer.neurons for layer in layers[:-1])
    active = sum(int(layer.spikes.sum()) for counts in batches for layer in counts[:-1])
    return Counted(
        accuracy=correct / samples,
        macs=sum(int(layer.macs.sum()) for counts in batches for layer in counts) / samples,
        dense_macs=sum(layer.dense for layer in layers),
        index_bits=sum(widths[layer.weight] * int(layer.macs.sum()) for counts in batches for layer in counts)
        / samples,
        neurons=sum(layer.neurons for layer in layers),
        active=active / (samples * hidden) if hidden else 0.0,
    )


def _index_width(weight: Tensor) -> int:
    return 0 if weight.all() else (weight[:, 0].numel() - 1).bit_length()


def _observed(network: SpikingNetwork, images: Tensor) -> tuple[Tensor, list[LayerCounts]]:
    """Logits [B, classes], and the counts of every layer with a weight; a layer's `spikes` are the activations that it
    leads to and that are not zero."""
    names = {id(weight): name for name, weight in prunable_weights(network).items()}
    seen: list[tuple[nn.Module, Tensor]] = []
    logits = network.spikes(images, observe=lambda layer, values, constant: seen.append((layer, values)))[0]
    outputs = [values for _, values in seen[1:]] + [logits]
    analogue = torch.ones((1, len(images)), dtype=torch.bool, device=images.device)
    counts = []
    for index, (layer, values) in enumerate(seen):
        if (name := names.get(id(getattr(layer, "weight", None)))) is None:
            continue
        led_to = next((i for i in range(index, len(seen)) if isinstance(seen[i][0], ACTIVATIONS)), -1)
        counts.append(count_layer(name, layer, values, True, (outputs[led_to] != 0)[None], analogue))
    return logits, counts
