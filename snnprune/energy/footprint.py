"""Bytes that a network's weights take: dense, as compressed sparse rows, and as values beside a bit mask."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

VALUE_BYTES = 4  # float32
INDEX_BYTES = 4  # int32, as scipy.sparse.csr_matrix


@dataclass(frozen=True)
class Footprint:
    """Bytes of all prunable weights together; biases and neuron parameters are not in it."""

    dense_bytes: int
    csr_bytes: int
    bitmask_bytes: int


def footprint(weights: Mapping[str, Tensor]) -> Footprint:
    """Footprint of weights [out, in, ...]; a convolution's rows are its output channels. csr: a float32 value and an
    int32 column for every nonzero, and an int32 for every row and one more. bitmask: a float32 value for every nonzero,
    and a bit for every synapse, rounded up to bytes layer by layer."""
    dense = csr = bitmask = 0
    for weight in weights.values():
        nnz = int(weight.count_nonzero())
        dense += VALUE_BYTES * weight.numel()
        csr += (VALUE_BYTES + INDEX_BYTES) * nnz + INDEX_BYTES * (weight.shape[0] + 1)
        bitmask += VALUE_BYTES * nnz + -(-weight.numel() // 8)
    return Footprint(dense, csr, bitmask)
