"""A spiking network in whole numbers: int8 or int4 weights, int32 membranes, beta as a multiplier and a shift.

What a layer computes for row j of its weight (a neuron, or a channel of a convolution; C's operators, >> rounds down):

    current   I[t] = scaled(sum_i value[j, i] * x[t, i], shift[j]) + bias[j]
    decay     D[t] = (multiplier[j] * U[t-1] + half(beta_shift)) >> beta_shift
    membrane  U[t] = D[t] - threshold[j] * S[t-1] + I[t]      (reset to zero: (S[t-1] ? 0 : D[t]) + I[t]), U[0] = I[0]
    spike     S[t] = 1 if U[t] > threshold[j] else 0
    where     scaled(a, n) = a << n for n >= 0, else (a + half(-n)) >> -n;  half(n) = (1 << n) >> 1

A reset acts one step after its spike, as in `snnprune.core.lif`. Max-pooling acts on the current, before the neurons.
Integer arithmetic with rounding shifts: Jacob et al., arXiv 1712.05877. One unit of U is
scale[j] / input_levels * 2^-shift[j] of the membrane of the network before (input_levels: of the first layer; else 1).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from snnprune.core.errors import DataError, UserError
from snnprune.quantise import kernels
from snnprune.quantise.overflow import largest_value

INT32 = 2**31 - 1
BLOCK = 64  # samples whose values go through all layers before the next ones


@dataclass(frozen=True)
class Csr:
    """Synapses of a dense layer: row j's are starts[j]..starts[j + 1]. starts: uint32 [outputs + 1]; columns: uint16 or
    uint32 [nnz]; values: int8 [nnz], none of them zero. A sample's inputs are flattened."""

    inputs: int
    starts: np.ndarray
    columns: np.ndarray
    values: np.ndarray

    @property
    def nnz(self) -> int:
        """Synapses that are not zero."""
        return len(self.values)

    def sums(self) -> tuple[np.ndarray, np.ndarray]:
        """The sums of each row's negative and of its positive values, int64 [outputs]."""
        rows = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts.astype(np.int64)))
        each = [np.bincount(rows, np.clip(self.values, *span), len(self.starts) - 1) for span in ((-128, 0), (0, 127))]
        return each[0].astype(np.int64), each[1].astype(np.int64)

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """The sums int32 [B, outputs, S] of inputs [B, ..., S]."""
        flat = inputs.reshape(len(inputs), self.inputs, -1)
        out = np.zeros((len(flat), len(self.starts) - 1, flat.shape[2]), np.int32)
        kernels.multiply(self.starts, self.columns, self.values, np.ascontiguousarray(flat), out)
        return out


@dataclass(frozen=True)
class Kernel:
    """A convolution, values int8 [outputs, channels, height, width], max-pooling its sums over squares of `pool`
    pixels that do not overlap (1: none). stride, padding (with zeros): of rows, of columns."""

    values: np.ndarray
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    pool: int = 1

    @property
    def nnz(self) -> int:
        """Synapses that are not zero."""
        return int(np.count_nonzero(self.values))

    def sums(self) -> tuple[np.ndarray, np.ndarray]:
        """The sums of each channel's negative and of its positive values, int64 [outputs]."""
        rows = self.values.reshape(len(self.values), -1).astype(np.int64)
        return np.minimum(rows, 0).sum(1), np.maximum(rows, 0).sum(1)

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """The sums int32 [B, outputs, height, width, S] of inputs [B, channels, height, width, S], pooled."""
        (down, right), (high, wide) = self.padding, self.values.shape[2:]
        padded = np.pad(inputs, ((0, 0), (0, 0), (down, down), (right, right), (0, 0)))
        batch, _, height, width, steps = padded.shape
        rows, columns = (height - high) // self.stride[0] + 1, (width - wide) // self.stride[1] + 1
        out = np.zeros((batch, len(self.values), rows, columns, steps), np.int32)
        kernels.convolve(self.values, *self.stride, padded, out)
        if self.pool == 1:
            return out
        rows, columns = rows // self.pool, columns // self.pool
        kept = out[:, :, : rows * self.pool, : columns * self.pool]
        return kept.reshape(batch, -1, rows, self.pool, columns, self.pool, steps).max((3, 5))


@dataclass(frozen=True)
class IntegerLayer:
    """A layer and its neurons; every array has one value for each row of the weight (a neuron, or a channel).

    name: the weight's, such as `layers.0.weight`. scale: float64, of values to weights. shift, bias, threshold,
    multiplier: int32; see this file's equations.
    """

    name: str
    synapses: Csr | Kernel
    scale: np.ndarray
    shift: np.ndarray
    bias: np.ndarray
    threshold: np.ndarray
    multiplier: np.ndarray
    beta_shift: int
    to_zero: bool

    def largest_value(self, largest_input: int, steps: int) -> int:
        """The largest magnitude that any intermediate result can have, whatever the inputs 0..`largest_input`."""
        low, high = (total * largest_input for total in self.synapses.sums())
        numbers = self.shift, self.bias, self.threshold, self.multiplier
        return int(largest_value(low, high, *numbers, self.beta_shift, self.to_zero, steps).max())

    def spikes(self, inputs: np.ndarray, steps: int) -> np.ndarray:
        """Spikes uint8 [B, outputs, ..., steps] of inputs [B, ..., steps], or [B, ..., 1]: the same at every step."""
        sums = self.synapses(inputs)
        out = np.empty((*sums.shape[:-1], steps), np.uint8)
        kernels.integrate(
            sums.reshape(*sums.shape[:2], -1, sums.shape[-1]), self.shift, self.bias, self.threshold, self.multiplier,
            self.beta_shift, self.to_zero, out.reshape(*out.shape[:2], -1, steps),
        )  # fmt: skip
        return out


@dataclass(frozen=True)
class IntegerNetwork:
    """A feed-forward spiking network that computes with whole numbers of 32 bits alone, and overflows for no input.

    layers: in their order. bits: of a weight, 8 or 4; the values are -127..127 or -7..7. timesteps: T.
    encoding: `direct` (an image is the same input at every step) or `frames` (an input for each step: frames of events,
        or encoded spikes). input_shape: of a sample's step, [N] or [C, H, W]. input_levels: the integer that stands for
        an input of 1.0. largest_input: inputs are 0..largest_input, 255 at most.
    Raises UserError: some input could overflow 32 bits.
    """

    layers: tuple[IntegerLayer, ...]
    bits: int
    timesteps: int
    encoding: Literal["direct", "frames"]
    input_shape: tuple[int, ...]
    input_levels: int
    largest_input: int

    def __post_init__(self) -> None:
        for layer, largest in zip(self.layers, (self.largest_input, *[1] * len(self.layers[1:])), strict=True):
            if (found := layer.largest_value(largest, self.timesteps)) > INT32:
                raise UserError(
                    f"{layer.name}: with inputs up to {largest} and {self.timesteps} time steps a value may reach "
                    f"{found:,}; allowed is {INT32:,}, of 32 bits"
                )

    def run(self, inputs: np.ndarray) -> np.ndarray:
        """Spike counts int32 [B, classes], 0..T each, of inputs uint8: images [B, ...], or frames [B, T, ...]. The
        decision is the class of the highest count, the lowest class among equals. Raises DataError: inputs of another
        type or shape, or above `largest_input`."""
        return np.concatenate([spikes[-1].sum(-1, np.int32) for spikes in self.blocks(inputs)])

    def blocks(self, inputs: np.ndarray) -> Iterator[list[np.ndarray]]:
        """Every layer's spikes, uint8 [B, outputs, ..., T], for the samples some at a time. Raises as `run`."""
        self._require_fitting(inputs)
        for start in range(0, len(inputs), BLOCK):
            block = inputs[start : start + BLOCK]
            values = block[..., None] if self.encoding == "direct" else np.moveaxis(block, 1, -1)
            found: list[np.ndarray] = []
            for layer in self.layers:
                values = layer.spikes(values, self.timesteps)
                found.append(values)
            yield found

    def _require_fitting(self, inputs: np.ndarray) -> None:
        lead = () if self.encoding == "direct" else (self.timesteps,)
        shape = inputs.shape[1 + len(lead) :]
        flat_fits = len(self.input_shape) == 1 and np.prod(shape) == self.input_shape[0]
        fits = inputs.shape[1 : 1 + len(lead)] == lead and (shape == self.input_shape or flat_fits)
        if inputs.dtype != np.uint8 or not len(inputs) or not fits:
            expected = ", ".join(map(str, ("B", *lead, *self.input_shape)))
            raise DataError(f"inputs: the network takes uint8 [{expected}]; found {inputs.dtype} {list(inputs.shape)}")
        if (largest := int(inputs.max())) > self.largest_input:
            raise DataError(f"inputs: allowed are 0 to {self.largest_input}; found {largest}")
