"""A network's accuracy and what it computed for it, on a whole split and for some of its time steps."""

from dataclasses import dataclass

import torch

from snnprune.core.dataset import Split
from snnprune.core.seeds import derive_seed
from snnprune.energy.operations import LayerCounts, observe_operations
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
    """Accuracy (0..1) of the run itself, the counts of its layers, and their sums: operations of a sample, means."""

    accuracy: float
    layers: list[LayerMeans]

    @property
    def macs(self) -> float:
        """Effective multiply-accumulates: of an analogue input."""
        return sum(layer.macs for layer in self.layers)

    @property
    def acs(self) -> float:
        """Effective accumulates: of spikes."""
        return sum(layer.acs for layer in self.layers)

    @property
    def dense_operations(self) -> int:
        """MACs and ACs if neither a weight nor an input were zero."""
        return sum(layer.dense_macs + layer.dense_acs for layer in self.layers)

    @property
    def neuron_updates(self) -> int:
        """Every neuron, every step."""
        return sum(layer.neuron_updates for layer in self.layers)

    def __str__(self) -> str:
        return (
            f"{self.macs:,.0f} MACs and {self.acs:,.0f} ACs a sample (dense: {self.dense_operations:,} operations), "
            f"{self.neuron_updates:,} neuron updates"
        )


def measure(network: SpikingNetwork, split: Split, steps: int | None = None) -> Measurement:
    """Run the split for `steps` time steps (None: all). Random encodings are seeded per batch, as everywhere."""
    correct = 0
    batches: list[list[LayerCounts]] = []
    pairs = zip(split.images.split(BATCH_SIZE), split.labels.split(BATCH_SIZE), strict=True)
    for index, (images, labels) in enumerate(pairs):
        spikes, counts = observe_operations(network, images, steps, seed=derive_seed(ENCODING_SEED, index))
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
