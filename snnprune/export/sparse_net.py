"""A network as compressed sparse rows, convolutions too, without what cannot matter: what CSR and C files hold.

A row is a dense layer's neuron or a convolution's channel. The sum of row j at (y, x), before pooling, is that of

    values[p] * input[columns[p] + y * y_step + x * x_step]    over p from starts[j] to starts[j + 1]

for the flat input, with a border around each of its channels where the layer has one; of a dense layer y = x = 0. So
one loop serves both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from snnprune.export.neurons import Neurons, only

DEPENDS = -1  # a spike that depends on the network's input


@dataclass(frozen=True)
class Border:
    """Zeros around each channel that a layer reads, of height x width values: `above` rows above and below, `beside`
    columns on its sides."""

    height: int
    width: int
    above: int
    beside: int

    @property
    def area(self) -> int:
        """Values of a channel with its border."""
        return (self.height + 2 * self.above) * (self.width + 2 * self.beside)


@dataclass(frozen=True)
class SparseLayer:
    """Synapses that are not zero, row by row, and the neurons that they feed.

    starts [rows + 1], columns [synapses]: int64; values [synapses]: float32 or int8.
    inputs: how many values it reads; border: what is put around them first. height, width: of a row's sums; pool: the
    side of the squares over which their maximum is taken (1: none).
    table: uint8 [tables, T], the spikes of further rows, numbered after the others, that no input changes.
    """

    name: str
    starts: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    neurons: Neurons
    inputs: int
    height: int = 1
    width: int = 1
    y_step: int = 0
    x_step: int = 0
    pool: int = 1
    border: Border | None = None
    table: np.ndarray | None = None

    @property
    def rows(self) -> int:
        """How many rows are computed."""
        return len(self.neurons.bias)

    @property
    def area(self) -> int:
        """Neurons of a row."""
        return (self.height // self.pool) * (self.width // self.pool)

    @property
    def tables(self) -> int:
        """How many rows have their spikes in the table."""
        return 0 if self.table is None else len(self.table)

    @property
    def outputs(self) -> int:
        """Spikes of a step, those of the table among them."""
        return (self.rows + self.tables) * self.area

    @property
    def operations(self) -> int:
        """Synaptic operations of a step if no input were zero."""
        return len(self.values) * self.pool * self.pool * self.area

    @property
    def channels(self) -> int:
        """How many have a border."""
        return 0 if self.border is None else self.inputs // (self.border.height * self.border.width)

    @property
    def places(self) -> int:
        """Values that it reads, with those of the border."""
        return self.inputs if self.border is None else self.channels * self.border.area

    def channel_size(self, area: int) -> int:
        """How many places a channel of `area` inputs takes."""
        return area if self.border is None else self.border.area

    @property
    def row_of(self) -> np.ndarray:
        """Each synapse's row."""
        return np.repeat(np.arange(self.rows), np.diff(self.starts))


@dataclass(frozen=True)
class SparseNet:
    """constant: the input is the same at every step; else there is one for each."""

    timesteps: int
    constant: bool
    layers: tuple[SparseLayer, ...]

    @property
    def operations(self) -> int:
        """Synaptic operations of a sample if no input were zero; those of a constant input count once."""
        first, *others = (layer.operations for layer in self.layers)
        return first * (1 if self.constant else self.timesteps) + sum(others) * self.timesteps

    @property
    def updates(self) -> int:
        """Neuron updates of a sample."""
        return self.timesteps * sum(layer.rows * layer.area for layer in self.layers)


def sparse_net(layers: Sequence[SparseLayer], timesteps: int, constant: bool) -> SparseNet:
    """Whole layers without neurons that nothing reads and neurons that never fire; those that fire alike whatever the
    input become tables."""
    known = known_spikes(layers, timesteps)
    depends = [(spikes == DEPENDS).any(1) for spikes in known]
    depends[-1][:] = True  # every class is computed
    read = rows_read(layers, depends)
    found: list[SparseLayer] = []
    place, area = np.arange(layers[0].inputs), 1
    for layer, spikes, run, needed in zip(layers, known, depends, read, strict=True):
        rows, tables = np.flatnonzero(run & needed), np.flatnonzero(~run & needed & spikes.any(1))
        found.append(_only(layer, rows, place, area, spikes[tables].astype(np.uint8)))
        place, area = np.full(layer.rows, -1), layer.area
        place[np.concatenate([rows, tables])] = np.arange(len(rows) + len(tables))
    return SparseNet(timesteps, constant, tuple(found))


def known_spikes(layers: Sequence[SparseLayer], steps: int) -> list[np.ndarray]:
    """The spikes of rows that no input can change, int8 [rows, T] for each layer; `DEPENDS` in the others. Such a row
    has no synapse but from such rows (with a border, where they are silent: at its edge others read less), or never
    fires, even if all neurons fired from which it has a positive weight. Nothing is supposed of the network's own
    input."""
    before, area = np.full((layers[0].inputs, steps), DEPENDS, np.int8), 1
    found: list[np.ndarray] = []
    for layer in layers:
        channels, row_of = layer.columns // layer.channel_size(area), layer.row_of
        free = np.ones(layer.rows, bool)
        bound = before == DEPENDS if layer.border is None else before != 0
        free[row_of[bound.any(1)[channels]]] = False
        spikes = np.full((layer.rows, steps), DEPENDS, np.int8)
        if found:
            most = np.bincount(row_of, np.maximum(layer.values, 0), layer.rows)
            spikes[layer.neurons.never_fire(most, steps)] = 0
        for row in np.flatnonzero(free):
            own = slice(layer.starts[row], layer.starts[row + 1])
            spikes[row] = layer.neurons.spikes(row, layer.values[own], before[channels[own]])
        found.append(spikes)
        before, area = spikes, layer.area
    return found


def rows_read(layers: Sequence[SparseLayer], run: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Which rows of each layer the last one's spikes depend on, bool [rows]; only those of `run` read their inputs."""
    read = np.ones(layers[-1].rows, bool)
    found = [read]
    for before, layer, runs in zip(layers[-2::-1], layers[:0:-1], run[:0:-1], strict=True):
        columns = layer.columns[(read & runs)[layer.row_of]]
        read = np.zeros(before.rows, bool)
        read[columns // layer.channel_size(before.area)] = True
        found.append(read)
    return found[::-1]


def starts_of(row_of: np.ndarray, rows: int) -> np.ndarray:
    """Where each row's synapses begin, and the end, for synapses in the order of their rows `row_of`."""
    return np.concatenate([[0], np.cumsum(np.bincount(row_of, minlength=rows))]).astype(np.int64)


def smallest_unsigned(largest: int) -> np.dtype:
    """The smallest unsigned type that holds 0 to `largest`."""
    return np.dtype(next(kind for kind in (np.uint8, np.uint16, np.uint32) if largest <= np.iinfo(kind).max))


def _only(layer: SparseLayer, rows: np.ndarray, place: np.ndarray, area: int, table: np.ndarray) -> SparseLayer:
    """These rows of a layer. Its inputs come in channels of `area` values, the i-th now at place[i] (-1: left out)."""
    new_row = np.full(layer.rows, -1)
    new_row[rows] = np.arange(len(rows))
    size = layer.channel_size(area)
    channels, row_of = layer.columns // size, new_row[layer.row_of]
    kept = (row_of >= 0) & (place[channels] >= 0)
    return replace(
        layer,
        starts=starts_of(row_of[kept], len(rows)),
        columns=place[channels[kept]] * size + layer.columns[kept] % size,
        values=layer.values[kept],
        neurons=only(layer.neurons, rows),
        inputs=int(place.max() + 1) * area,
        table=table,
    )
