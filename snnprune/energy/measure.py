"""A network's accuracy and what it computed for it, on a whole split and for some of its time steps."""

from dataclasses import dataclass

import torch

from snnprune.core.dataset import Split
from snnprune.core.seeds import derive_seed
from snnprune.energy.operations import LayerCounts, count_operations
from snnprune.pruning.mask import prunable_weights
from snnprune.snn.network import SpikingNetwork
from snnprune.training.evaluate import BATCH_SIZE, ENCODING_SEED


@dataclass(frozen=True)
class LayerMeans:
    """One layer's figures for a sample, means over a split; `LayerCounts` says what they are.

    Of `macs` and `acs`, and of `dense_macs` and `dense_acs`, one is 0: the input is analogue, or spikes. spike_rate:
    spikes per neuron and step, 0..1.
    """

    weight: str
    synapses: int
    nnz: int
    macs: float
    acs: float
    dense_macs: int
    dense_acs: int
    neuron_updates: int
    spike_rate: float


@dataclass(frozen=True)
class Measurement:
    """Accuracy (0..1) of the truncated run itself, and the counts of its layers."""

    accuracy: float
    layers: list[LayerMeans]


def measure(network: SpikingNetwork, split: Split, steps: int) -> Measurement:
    """Run the split for `steps` time steps. Random encodings are seeded per batch as in every evaluation."""
    correct = 0
    batches: list[list[LayerCounts]] = []
    pairs = zip(split.images.split(BATCH_SIZE), split.labels.split(BATCH_SIZE), strict=True)
    for index, (images, labels) in enumerate(pairs):
        spikes, counts = count_operations(network, images, steps, seed=derive_seed(ENCODING_SEED, index))
        correct += int((spikes.sum(0).argmax(1) == labels).sum())
        batches.append(counts)
    weights = prunable_weights(network)
    samples = len(split.labels)
    layers = []
    for parts in zip(*batches, strict=True):
        first = parts[0]
        operations = int(torch.cat([part.operations for part in parts]).sum()) / samples
        spikes_each = int(torch.cat([part.spikes for part in parts]).sum()) / samples
        layers.append(
            LayerMeans(
                weight=first.weight,
                synapses=weights[first.weight].numel(),
                nnz=int(weights[first.weight].count_nonzero()),
                macs=operations if first.analogue else 0.0,
                acs=0.0 if first.analogue else operations,
                dense_macs=first.dense if first.analogue else 0,
                dense_acs=0 if first.analogue else first.dense,
                neuron_updates=first.neuron_updates,
                spike_rate=spikes_each / first.neuron_updates,
            )
        )
    return Measurement(accuracy=correct / samples, layers=layers)
