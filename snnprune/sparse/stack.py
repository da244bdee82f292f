"""Consecutive sparse layers with their neurons as the arrays of the compiled `infer`, without what cannot matter."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from snnprune.core.errors import DataError
from snnprune.sparse import lif
from snnprune.sparse.counts import LayerCounts
from snnprune.sparse.inference import infer
from snnprune.sparse.linear import SparseLinear
from snnprune.sparse.threads import by_rows

# Samples whose values go through all layers before the next ones. In microseconds for 256 samples of 784-256-128-10 at
# 0.98 and 0.70, T = 10, 1 MiB of L2 cache: 16: 586 and 3,111, 32: 399 and 2,360, 64: 295 and 1,949, 96: 283 and 1,902,
# 256: 290 and 2,579.
BLOCK = 64
NOT_ASKED = np.zeros((0, 0), np.int64)


@dataclass(frozen=True)
class Layer:
    """The synapses of one weight [outputs, inputs] that are not zero, row by row, and the neurons that they feed."""

    name: str
    shape: tuple[int, int]
    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    bias: np.ndarray
    neurons: lif.Neurons

    @classmethod
    def of(cls, name: str, linear: nn.Linear | SparseLinear, neurons: lif.Neurons) -> "Layer":
        """`name` is the weight's. The arrays are copies."""
        if isinstance(linear, SparseLinear):
            shape, starts, columns = linear.synapses.shape, linear.synapses.starts, linear.synapses.indices
            rows = np.repeat(np.arange(shape[0]), np.diff(starts.astype(np.int64)))
            values = linear.values.detach().numpy()
            rows, columns, values = rows[values != 0], columns[values != 0], values[values != 0]
        else:
            weight = linear.weight.detach().numpy()
            shape, (rows, columns) = weight.shape, weight.nonzero()
            values = weight[rows, columns]
        bias = np.zeros(shape[0], np.float32) if linear.bias is None else linear.bias.detach().numpy().copy()
        return cls(name, shape, rows, columns, values, bias, neurons)

    def without(self, silent: np.ndarray) -> "Layer":
        """Without the synapses of the inputs that are True in `silent` [inputs]."""
        kept = ~silent[self.columns]
        arrays = self.rows[kept], self.columns[kept], self.values[kept]
        return Layer(self.name, self.shape, *arrays, self.bias, self.neurons)

    def silent(self, steps: int) -> np.ndarray:
        """Which neurons [outputs] never fire: they have no synapse, and their bias alone is too small."""
        alone = np.bincount(self.rows, minlength=self.shape[0]) == 0
        spikes = lif.run(torch.from_numpy(self.bias)[None], steps, self.neurons)[0]
        return alone & ~spikes.any(0)[0].numpy()


class Stack:
    """Layers of synapses and neurons, one feeding the next, as one compiled call; float32 on the CPU.

    A neuron that no synapse leaves is not run, but for those of the last layer, nor is an input read that no running
    neuron reads. Synapses of neurons that can never fire are left out.
    """

    def __init__(self, layers: Sequence[Layer], timesteps: int, threads: int) -> None:
        """`layers` in their order. Raises ValueError: one has not as many inputs as the one before has outputs."""
        kept, silent = [], np.zeros(layers[0].shape[1], bool)
        for layer in layers:
            if layer.shape[1] != len(silent):
                raise ValueError(f"{layer.name}: {layer.shape[1]} inputs, but {len(silent)} outputs come before it")
            kept.append(layer.without(silent))
            silent = kept[-1].silent(timesteps)
        self.shapes = [layer.shape for layer in kept]
        self.names = [layer.name for layer in kept]
        self.threads = threads
        self._bounds = np.cumsum([0, *(outputs for outputs, _ in self.shapes)])
        # Not below 16 bits, for the compiled loop's sake: it is compiled for each type.
        index = np.promote_types(np.uint16, np.min_scalar_type(max(map(max, self.shapes)) - 1))
        counts = [np.bincount(layer.rows, minlength=layer.shape[0]) for layer in kept]
        self._starts = np.cumsum([0, *np.concatenate(counts)]).astype(np.uint32)
        self._indices = np.concatenate([layer.columns for layer in kept]).astype(index)
        values = np.concatenate([layer.values for layer in kept])
        bias = np.concatenate([layer.bias for layer in kept])
        each = [(layer.neurons, layer.shape[0]) for layer in kept]
        beta = np.concatenate([_each(neurons.beta, outputs) for neurons, outputs in each])
        threshold = np.concatenate([_each(neurons.threshold, outputs) for neurons, outputs in each])
        to_zero = np.array([layer.neurons.to_zero for layer in kept])
        self._numbers = values, bias, beta, threshold, to_zero
        rows, columns = _needed(kept)
        self._columns = columns.astype(index)
        self._rows = np.concatenate(rows).astype(index)
        self._run_bounds = np.cumsum([0, *map(len, rows)])

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays held."""
        held = (self._bounds, self._starts, self._indices, *self._numbers, self._columns, self._rows, self._run_bounds)
        return sum(array.nbytes for array in held)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """What `infer` takes from `columns` to `to_zero`."""
        which = self._columns, self._bounds, self._rows, self._run_bounds
        return *which, self._starts, self._indices, *self._numbers

    @property
    def inputs_read(self) -> np.ndarray:
        """Numbers of the inputs that are read."""
        return self._columns

    @property
    def neurons_run(self) -> list[np.ndarray]:
        """Numbers of each layer's neurons that are run."""
        return np.split(self._rows, self._run_bounds[1:-1])

    def __call__(self, values: Tensor, constant: bool, steps: int) -> Tensor:
        """The last layer's spikes [steps, B, outputs] of values [steps, B, ...], or `constant` ones [B, ...]."""
        which = self._columns, self._bounds, self._rows, self._run_bounds
        return self._infer(values, constant, steps, which, np.zeros(0, np.int64), NOT_ASKED, NOT_ASKED)

    def observe(
        self, values: Tensor, constant: bool, steps: int, analogue: Tensor | None = None
    ) -> tuple[Tensor, list[LayerCounts]]:
        """The same, and every layer's counts; every neuron is run. `analogue` is said of the first (`LayerCounts`)."""
        batch = values.shape[0 if constant else 1]
        fanouts = [self._fanout(layer) for layer in range(len(self.shapes))]
        operations, fired = np.zeros((2, len(self.shapes), batch), np.int64)
        rows = np.concatenate([np.arange(outputs) for outputs, _ in self.shapes]).astype(self._rows.dtype)
        which = np.flatnonzero(fanouts[0]).astype(self._columns.dtype), self._bounds, rows, self._bounds
        fanout = np.concatenate([*fanouts[1:], np.zeros(self.shapes[-1][0], np.int64)])
        spikes = self._infer(values, constant, steps, which, fanout, operations, fired)
        counts: list[LayerCounts] = []
        for layer, (name, (outputs, inputs)) in enumerate(zip(self.names, self.shapes, strict=True)):
            about = {"weight": name, "dense": steps * outputs * inputs, "neurons": outputs, "steps": steps}
            about["spikes"] = torch.from_numpy(fired[layer])
            if layer:
                acs = torch.from_numpy(operations[layer - 1])
                none = torch.zeros_like(acs)
                counts.append(LayerCounts(macs=none, acs=acs, analogue_steps=none, **about))
            else:
                fanout = torch.from_numpy(fanouts[0]).double()
                counts.append(LayerCounts.of_input(values, constant, analogue, fanout, **about))
        return spikes, counts

    def _infer(
        self,
        values: Tensor,
        constant: bool,
        steps: int,
        which: tuple[np.ndarray, ...],
        fanout: np.ndarray,
        operations: np.ndarray,
        fired: np.ndarray,
    ) -> Tensor:
        shape = values.shape if constant else values.shape[1:]
        samples, inputs, outputs = shape[0], self.shapes[0][1], self.shapes[-1][0]
        if shape.numel() != samples * inputs:
            raise DataError(f"images: the network takes {inputs} values a sample; found {list(shape[1:])}")
        if lif.lie_in_rows(values):
            flat = values.movedim(-1, 0).reshape(-1)
            value, step, sample = samples if constant else steps * samples, samples, 1
        else:
            flat = values.reshape(-1)
            value, step, sample = 1, samples * inputs, inputs
        places = samples, steps, value, 0 if constant else step, sample
        out = torch.empty(outputs, steps, samples)
        by_rows(
            infer, -(-samples // BLOCK), BLOCK, flat.numpy(), places, *which, self._starts, self._indices,
            *self._numbers, out.view(-1).numpy(), fanout, operations, fired, threads=self.threads,
        )  # fmt: skip
        return out.permute(1, 2, 0)

    def _fanout(self, layer: int) -> np.ndarray:
        """How many synapses of a layer each of its inputs has, int64 [inputs]."""
        first, last = self._starts[self._bounds[layer]], self._starts[self._bounds[layer + 1]]
        return np.bincount(self._indices[first:last], minlength=self.shapes[layer][1])


def _needed(layers: Sequence[Layer]) -> tuple[list[np.ndarray], np.ndarray]:
    """The neurons of each layer on which the last layer's spikes depend, and such inputs; rising."""
    needed, rows = np.ones(layers[-1].shape[0], bool), []
    for layer in reversed(layers):
        rows.append(np.flatnonzero(needed))
        read = np.zeros(layer.shape[1], bool)
        read[layer.columns[needed[layer.rows]]] = True
        needed = read
    return rows[::-1], np.flatnonzero(needed)


def _each(value: float | Tensor, count: int) -> np.ndarray:
    return torch.as_tensor(value, dtype=torch.float32).detach().expand(count).numpy()
