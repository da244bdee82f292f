"""A compiled stack whose input is frames of events: for few samples its first layer follows the events, not the inputs.

In microseconds for one recording of N-MNIST and 2312-256-4, T = 10, one thread, at a density of the weights of 0.02,
0.05, 0.1, 0.2 and 0.45: 55, 61, 71, 89 and 132 by events, and 134, 162, 207, 296 and 495 by inputs. For 8 recordings it
is 14 to 21 % faster, for 128 at a density of 0.02 half as fast.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from snnprune.sparse.compiled import compiled
from snnprune.sparse.inference import PLACE, fire, infer
from snnprune.sparse.kernels import EXACT, SUMS, ZERO
from snnprune.sparse.stack import NOT_ASKED, Layer, Stack

FEW = 8  # samples up to which it pays
CHUNK = 16  # inputs looked at together, most often all of them zero


@compiled(**SUMS, forceinline=True)
def follow(values, starts, rows, weights, current, at, length):
    """Add the synapses of the inputs that are not zero among `values` [inputs] to current[row * length + at]; those of
    input i are starts[i]..starts[i + 1] of rows and weights."""
    for chunk in range(0, len(values), CHUNK):
        end, active = min(chunk + CHUNK, len(values)), False
        for i in range(chunk, end):
            active |= values[i] != ZERO
        if active:
            for i in range(chunk, end):
                value = values[i]
                if value != ZERO:
                    for p in range(starts[i], starts[i + 1]):
                        current[PLACE(rows[p]) * length + at] += value * weights[p]


@compiled(**EXACT)
def infer_events(
    values, starts, rows, weights, run, bias, beta, threshold, to_zero, steps, samples, rest, places, out, nothing
):
    """The first layer's spikes of values [steps * samples, inputs], and by `infer` those of the `rest` (its arguments
    from `columns` to `to_zero`) into out. run: the first layer's neurons that are run; bias, beta and threshold are its
    own. places: of its spikes; nothing: the argument `fanout`, `operations` and `fired` that ask for no counts."""
    length = PLACE(steps * samples)
    current = np.zeros(len(bias) * steps * samples, np.float32)
    spikes, state = np.zeros_like(current), np.empty(samples, np.float32)
    for at in range(steps * samples):
        follow(values[at], starts, rows, weights, current, PLACE(at), length)
    for j in run:
        begin = PLACE(j) * length
        own = current[begin : begin + length]
        own += bias[j]
        fire(own, length, PLACE(steps), PLACE(samples), beta[j], threshold[j], to_zero, state, spikes, begin)
    infer(0, 1, samples, spikes, places, *rest, out, nothing[0], nothing[1], nothing[1])


class EventStack(Stack):
    """A `Stack` of two layers or more. It holds the first one's synapses twice: by neuron and by input."""

    def __init__(self, layers: Sequence[Layer], timesteps: int, threads: int) -> None:
        """As `Stack`."""
        super().__init__(layers, timesteps, threads)
        first, run = layers[0], self.neurons_run[0]
        kept = np.isin(first.rows, run)
        order = np.argsort(first.columns[kept], kind="stable")
        counts = np.bincount(first.columns[kept], minlength=first.shape[1])
        own = slice(0, first.shape[0])
        _, bias, beta, threshold, to_zero = self._numbers
        self._first = (
            np.cumsum([0, *counts]).astype(np.uint32),
            first.rows[kept][order].astype(self._indices.dtype),
            first.values[kept][order],
            run,
            *(array[own] for array in (bias, beta, threshold)),
            bool(to_zero[0]),
        )
        self._rest = Stack(layers[1:], timesteps, threads)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays held."""
        return super().nbytes + self._rest.nbytes + sum(array.nbytes for array in self._first[:4])

    def __call__(self, values: Tensor, constant: bool, steps: int) -> Tensor:
        """As `Stack`; another order of summation for up to `FEW` samples."""
        samples = values.shape[1]
        if not 0 < samples <= FEW:
            return super().__call__(values, constant, steps)
        matrix = values.flatten(2).flatten(0, 1).contiguous().numpy()
        places = samples, steps, steps * samples, samples, 1
        out = torch.empty(self.shapes[-1][0], steps, samples)
        infer_events(
            matrix, *self._first, steps, samples, self._rest.arrays, places, out.view(-1).numpy(),
            (np.zeros(0, np.int64), NOT_ASKED),
        )  # fmt: skip
        return out.permute(1, 2, 0)
