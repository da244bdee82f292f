"""A network as compressed sparse rows, convolutions too, without what cannot matter: what CSR and C files hold.

A row is a dense layer's neuron or a convolution's channel. The current of row j at (y, x), before pooling, is

    bias[j] + sum over p from starts[j] to starts[j + 1] of values[p] * input[columns[p] + y * y_step + x * x_step]

of the flat input; of a dense layer y = x = 0. So one loop serves both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from snnprune.core.encoding import is_constant
from snnprune.core.errors import NotFiniteError, UserError
from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork

DEPENDS = -1  # a spike that depends on the network's input
ROUNDING = 1e-4  # share of a threshold, far more than float32 loses in a sum


@dataclass(frozen=True)
class SparseLayer:
    """Synapses that are not zero, row by row, and the neurons that they feed.

    starts [rows + 1], columns [synapses]: int64; values [synapses], bias, beta, threshold [rows]: float32.
    height, width: of the current; pool: the side of the squares over which its maximum is taken (1: none).
    table: uint8 [tables, T], the spikes of further rows, numbered after the others, that no input changes.
    inputs: how many values it reads.
    """

    name: str
    starts: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    bias: np.ndarray
    beta: np.ndarray
    threshold: np.ndarray
    to_zero: bool
    inputs: int
    height: int = 1
    width: int = 1
    y_step: int = 0
    x_step: int = 0
    pool: int = 1
    table: np.ndarray | None = None

    @property
    def rows(self) -> int:
        """How many rows are computed."""
        return len(self.bias)

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
        return len(self.values) * self.height * self.width

    @property
    def row_of(self) -> np.ndarray:
        """Each synapse's row."""
        return np.repeat(np.arange(self.rows), np.diff(self.starts))


@dataclass(frozen=True)
class SparseNet:
    """constant: the input [inputs] is the same at every step; else there is one for each."""

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


def sparse_net(network: SpikingNetwork) -> SparseNet:
    """The network without synapses of zero, neurons that nothing reads, and neurons that never fire; those that fire
    alike whatever the input become tables. Raises UserError: a layer that is none of Linear, Conv2d without padding,
    MaxPool2d after one, Flatten, Dropout and leaky neurons."""
    layers, steps = read_layers(network), network.spec.timesteps
    known = known_spikes(layers, steps)
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
    return SparseNet(steps, is_constant(network.spec.encoding), tuple(found))


def read_layers(network: SpikingNetwork) -> list[SparseLayer]:
    """Every weight of the network with its neurons, no row left out. Raises as `sparse_net`."""
    shape: tuple[int, ...] = network.spec.architecture.input_shape
    layers: list[SparseLayer] = []
    current: SparseLayer | None = None
    for number, module in enumerate(network.layers):
        where = f"layers.{number}"
        if isinstance(module, nn.Dropout):
            continue
        if isinstance(module, nn.Flatten) and current is None:
            shape = (int(np.prod(shape)),)
        elif isinstance(module, nn.Linear) and current is None:
            current = _linear(f"{where}.weight", module, int(np.prod(shape)))
            shape = (current.rows,)
        elif isinstance(module, nn.Conv2d) and current is None and len(shape) == 3:
            current = _convolution(f"{where}.weight", module, shape)
            shape = (current.rows, current.height, current.width)
        elif isinstance(module, nn.MaxPool2d) and current is not None and current.pool == 1:
            current = replace(current, pool=_pool(where, module))
            shape = (current.rows, current.height // current.pool, current.width // current.pool)
        elif isinstance(module, MultiStepLeaky) and current is not None:
            layers.append(_with_neurons(where, current, module))
            current = None
        else:
            raise UserError(
                f"{where}: {type(module).__name__} is not possible here; possible are Linear, Conv2d and MaxPool2d "
                "after it, each before leaky neurons, Flatten and Dropout"
            )
    if current is not None or not layers:
        raise UserError("the network does not end with leaky neurons")
    return layers


def known_spikes(layers: Sequence[SparseLayer], steps: int) -> list[np.ndarray]:
    """The spikes of rows that no input can change, int8 [rows, T] for each layer; `DEPENDS` in the others. Such a row
    has no synapse but from such rows (its current is summed in the order of its synapses, in float32), or never fires,
    even if all neurons fired from which it has a positive weight. Nothing is supposed of the network's own input."""
    before, area = np.full((layers[0].inputs, steps), DEPENDS, np.int8), 1
    found = []
    for layer in layers:
        channels, row_of = layer.columns // area, layer.row_of
        free = np.ones(layer.rows, bool)
        free[row_of[(before[channels] == DEPENDS).any(1)]] = False
        spikes = np.full((layer.rows, steps), DEPENDS, np.int8)
        for row in np.flatnonzero(free):
            own = slice(layer.starts[row], layer.starts[row + 1])
            spikes[row] = _fire(layer, row, layer.values[own], before[channels[own]], steps)
        if found:
            spikes[~free & _below_threshold(layer, steps)] = 0
        found.append(spikes)
        before, area = spikes, layer.area
    return found


def rows_read(layers: Sequence[SparseLayer], run: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Which rows of each layer the last one's spikes depend on, bool [rows]; only those of `run` read their inputs."""
    read, found = np.ones(layers[-1].rows, bool), []
    for layer, before, runs in zip(reversed(layers), [*layers[-2::-1], None], reversed(run), strict=True):
        found.append(read)
        if before is not None:
            columns = layer.columns[(read & runs)[layer.row_of]]
            read = np.zeros(before.rows, bool)
            read[columns // before.area] = True
    return found[::-1]


def _fire(layer: SparseLayer, row: int, values: np.ndarray, inputs: np.ndarray, steps: int) -> np.ndarray:
    """Spikes [T] of a row of `values` [synapses] on known `inputs` [synapses, T]."""
    spikes, potential, limit = np.zeros(steps, np.int8), np.float32(0), layer.threshold[row]
    for step in range(steps):
        current = layer.bias[row]
        for value, spike in zip(values, inputs[:, step], strict=True):
            current = current + value * np.float32(spike)
        reset = potential > limit
        if layer.to_zero:
            potential = (np.float32(0) if reset else layer.beta[row] * potential) + current
        else:
            potential = (layer.beta[row] * potential + current) - (limit if reset else np.float32(0))
        spikes[step] = potential > limit
    return spikes


def _below_threshold(layer: SparseLayer, steps: int) -> np.ndarray:
    """Rows [rows] whose potential stays below the threshold whatever neurons before them fire: it is at most
    sum_k beta^k times the largest current, and a reset only lowers it."""
    most = layer.bias + np.bincount(layer.row_of, np.maximum(layer.values, 0), layer.rows)
    highest = most * (layer.beta[:, None].astype(float) ** np.arange(steps)).sum(1)
    return highest < layer.threshold * (1 - ROUNDING)


def _only(layer: SparseLayer, rows: np.ndarray, place: np.ndarray, area: int, table: np.ndarray) -> SparseLayer:
    """These rows of a layer. Its inputs come in channels of `area` values, the i-th now at place[i] (-1: left out)."""
    new_row = np.full(layer.rows, -1)
    new_row[rows] = np.arange(len(rows))
    channels, row_of = layer.columns // area, new_row[layer.row_of]
    kept = (row_of >= 0) & (place[channels] >= 0)
    return replace(
        layer,
        starts=_starts(row_of[kept], len(rows)),
        columns=place[channels[kept]] * area + layer.columns[kept] % area,
        values=layer.values[kept],
        bias=layer.bias[rows],
        beta=layer.beta[rows],
        threshold=layer.threshold[rows],
        inputs=int(place.max() + 1) * area,
        table=table,
    )


def _starts(row_of: np.ndarray, rows: int) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.bincount(row_of, minlength=rows))]).astype(np.int64)


def _linear(name: str, linear: nn.Linear, inputs: int) -> SparseLayer:
    if linear.in_features != inputs:
        raise UserError(f"{name}: takes {linear.in_features} inputs, but {inputs} come")
    row_of, columns = np.nonzero(_array(name, linear.weight))
    return _of_weight(name, linear, row_of, columns, inputs)


def _convolution(name: str, conv: nn.Conv2d, shape: tuple[int, int, int]) -> SparseLayer:
    plain = {"padding": (0, 0), "dilation": (1, 1), "groups": 1}
    if wrong := [key for key, allowed in plain.items() if getattr(conv, key) != allowed]:
        found = ", ".join(f"{key} {getattr(conv, key)}" for key in wrong)
        raise UserError(f"{name}: found {found}; possible are {', '.join(f'{k} {v}' for k, v in plain.items())}")
    _, in_height, in_width = shape
    (down, right), (kernel_height, kernel_width) = conv.stride, conv.kernel_size
    row_of, channel, y, x = np.nonzero(_array(name, conv.weight))
    columns = (channel * in_height + y) * in_width + x
    return replace(
        _of_weight(name, conv, row_of, columns, int(np.prod(shape))),
        height=(in_height - kernel_height) // down + 1,
        width=(in_width - kernel_width) // right + 1,
        y_step=down * in_width,
        x_step=right,
    )


def _of_weight(
    name: str, module: nn.Linear | nn.Conv2d, row_of: np.ndarray, columns: np.ndarray, inputs: int
) -> SparseLayer:
    """Without its neurons yet."""
    weight = _array(name, module.weight)
    rows, none = len(weight), np.zeros(0, np.float32)
    bias = np.zeros(rows, np.float32) if module.bias is None else _array(name, module.bias)
    starts = _starts(row_of, rows)
    return SparseLayer(name, starts, columns, weight[weight != 0], bias, none, none, False, inputs)


def _with_neurons(where: str, layer: SparseLayer, leaky: MultiStepLeaky) -> SparseLayer:
    values = {}
    for key in ("beta", "threshold"):
        array = _array(where, getattr(leaky, key))
        if array.size not in (1, layer.rows) or (array.size > 1 and layer.area > 1):
            raise UserError(f"{where}: {key} has {array.size} values; possible are one, or one for each dense neuron")
        values[key] = np.broadcast_to(array.reshape(-1), layer.rows).copy()
    return replace(layer, to_zero=leaky.reset_mechanism == "zero", **values)


def _pool(where: str, pool: nn.MaxPool2d) -> int:
    size = pool.kernel_size
    if not isinstance(size, int) or pool.stride != size or pool.padding or pool.dilation != 1 or pool.ceil_mode:
        raise UserError(f"{where}: possible is max-pooling over squares side by side; found {pool}")
    return size


def _array(name: str, tensor: Tensor) -> np.ndarray:
    array = torch.as_tensor(tensor).detach().cpu().float().numpy()
    if not np.isfinite(array).all():
        raise NotFiniteError(f"{name}: values are NaN or infinite")
    return array.copy()
