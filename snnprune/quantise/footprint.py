"""Bytes of a network's weights and neurons, packed as tightly as their numbers allow: values of few bits, each with the
bits of its index. `snnprune.energy.footprint` counts whole words of 32 bits."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from snnprune.core.network import SpikingNetwork
from snnprune.pruning.mask import prunable_weights
from snnprune.quantise.integer import Csr, IntegerNetwork

BYTES = 4  # of a float32, and of an int32


@dataclass(frozen=True)
class PackedFootprint:
    """Bytes. dense: every value. csr: the values that are not zero, for each of them its column, and where each row
    begins, of as many bits as the largest takes. bitmask: these values, and a bit for every synapse. neurons: biases
    and what else a row has."""

    dense_bytes: int
    csr_bytes: int
    bitmask_bytes: int
    neuron_bytes: int

    @property
    def total_bytes(self) -> int:
        """With the weights in the form that takes least."""
        return min(self.dense_bytes, self.csr_bytes, self.bitmask_bytes) + self.neuron_bytes


def of_float(network: SpikingNetwork) -> PackedFootprint:
    """Float32 weights and biases; beta and threshold, the same for all, take nothing."""
    weights = prunable_weights(network).values()
    sizes = [(weight.shape[0], weight[0].numel(), int(weight.count_nonzero())) for weight in weights]
    return _packed(sizes, 8 * BYTES, BYTES * sum(rows for rows, _, _ in sizes))


def of_integer(network: IntegerNetwork) -> PackedFootprint:
    """Weights of the network's bits, int32 biases, thresholds (int32) and shifts (a byte) of each row, or of a layer
    where all its rows have the same. The scale is in them, and the multiplier is one."""
    sizes, neurons = [], 0
    for layer in network.layers:
        rows, synapses = len(layer.scale), layer.synapses
        columns = synapses.inputs if isinstance(synapses, Csr) else synapses.values[0].size
        sizes.append((rows, columns, synapses.nnz))
        alike = len(set(zip(layer.threshold.tolist(), layer.shift.tolist(), strict=True))) == 1
        neurons += BYTES * rows + (BYTES + 1) * (1 if alike else rows)
    return _packed(sizes, network.bits, neurons)


def _packed(sizes: Iterable[tuple[int, int, int]], bits: int, neurons: int) -> PackedFootprint:
    """Of each layer's rows, columns and values that are not zero; rounded up to bytes layer by layer."""
    dense = csr = bitmask = 0
    for rows, columns, nnz in sizes:
        dense += math.ceil(rows * columns * bits / 8)
        csr += math.ceil((nnz * (bits + _index_bits(columns)) + (rows + 1) * _index_bits(nnz + 1)) / 8)
        bitmask += math.ceil((nnz * bits + rows * columns) / 8)
    return PackedFootprint(dense, csr, bitmask, neurons)


def _index_bits(count: int) -> int:
    """Of a number below `count`."""
    return (count - 1).bit_length()
