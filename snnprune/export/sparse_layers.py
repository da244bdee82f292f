"""Reads the layers of a network, in float32 or in whole numbers, as sparse rows (`snnprune.export.sparse_net`)."""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from snnprune.adapters.network import AdaptedNetwork
from snnprune.core.encoding import is_constant
from snnprune.core.errors import NotFiniteError, UserError
from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork
from snnprune.export.neurons import FloatNeurons, IntegerNeurons, Neurons
from snnprune.export.sparse_net import Border, SparseLayer, SparseNet, sparse_net, starts_of
from snnprune.quantise.integer import Csr, IntegerNetwork

NO_NEURONS = FloatNeurons(*[np.zeros(0, np.float32)] * 3, to_zero=False)  # until they are read


def of_network(network: SpikingNetwork) -> SparseNet:
    """Raises UserError: as `read_layers`."""
    return sparse_net(read_layers(network), network.spec.timesteps, is_constant(network.spec.encoding))


def of_integers(network: IntegerNetwork) -> SparseNet:
    """Of whole numbers."""
    layers, shape = [], network.input_shape
    for layer in network.layers:
        numbers = layer.bias, layer.threshold, layer.multiplier, layer.shift
        neurons, synapses = IntegerNeurons(*numbers, layer.beta_shift, layer.to_zero), layer.synapses
        if isinstance(synapses, Csr):
            starts, columns = synapses.starts.astype(np.int64), synapses.columns.astype(np.int64)
            found = SparseLayer(layer.name, starts, columns, synapses.values, neurons, synapses.inputs)
        else:
            found = _convolution(layer.name, synapses.values, synapses.stride, shape, neurons, synapses.padding)
            found = replace(found, pool=synapses.pool)
        layers.append(found)
        shape = found.rows, found.height // found.pool, found.width // found.pool
    return sparse_net(layers, network.timesteps, network.encoding == "direct")


def plain(network: SpikingNetwork | AdaptedNetwork) -> SpikingNetwork:
    """The same network. Raises UserError: it is no plain sequence, such as one with a residual sum."""
    if isinstance(network, AdaptedNetwork):
        others = "state-dict takes any network, csr, c, onnx and nir most, c-int8 and c-int4 chains (docs/export.md)"
        raise UserError(
            f"{type(network.net).__name__} runs its own forward (`snnprune prune` says why); this target needs a plain "
            f"sequence of layers; {others}"
        )
    return network


def read_layers(network: SpikingNetwork) -> list[SparseLayer]:
    """Every weight of the network with its neurons, no row left out. Raises UserError: a layer that is none of Linear,
    Conv2d without padding, MaxPool2d after one, Flatten, Dropout and leaky neurons, or in another order; or the network
    is no plain sequence. Raises NotFiniteError: a value is NaN or infinite."""
    network = plain(network)
    shape: tuple[int, ...] = network.spec.architecture.input_shape
    layers: list[SparseLayer] = []
    current: SparseLayer | None = None
    for number, module in enumerate(network.layers):
        where = f"layers.{number}"
        if isinstance(module, nn.Dropout):
            continue
        if isinstance(module, nn.Flatten) and current is None:
            shape = (math.prod(shape),)
        elif isinstance(module, nn.Linear) and current is None:
            weight = array_of(f"{where}.weight", module.weight)
            current = _linear(f"{where}.weight", weight, math.prod(shape), _bias(where, module))
            shape = (current.rows,)
        elif isinstance(module, nn.Conv2d) and current is None and len(shape) == 3:
            _require_plain(where, module)
            weight = array_of(f"{where}.weight", module.weight)
            current = _convolution(f"{where}.weight", weight, module.stride, shape, _bias(where, module))
            shape = (current.rows, current.height, current.width)
        elif isinstance(module, nn.MaxPool2d) and current is not None and current.y_step and current.pool == 1:
            current = replace(current, pool=_pool(where, module))
            shape = (current.rows, current.height // current.pool, current.width // current.pool)
        elif isinstance(module, MultiStepLeaky) and current is not None:
            layers.append(replace(current, neurons=_leaky(where, current, module)))
            current = None
        else:
            raise UserError(
                f"{where}: {type(module).__name__} is not possible here; possible are Linear, Conv2d and MaxPool2d "
                "after it, each before leaky neurons, Flatten and Dropout"
            )
    if current is not None or not layers:
        raise UserError("the network does not end with leaky neurons")
    return layers


def _linear(name: str, weight: np.ndarray, inputs: int, neurons: Neurons) -> SparseLayer:
    if weight.shape[1] != inputs:
        raise UserError(f"{name}: takes {weight.shape[1]} inputs, but {inputs} come")
    row_of, columns = np.nonzero(weight)
    return SparseLayer(name, starts_of(row_of, len(weight)), columns, weight[weight != 0], neurons, inputs)


def _convolution(
    name: str, weight: np.ndarray, stride: tuple[int, int], shape: tuple[int, ...], neurons: Neurons,
    padding: tuple[int, int] = (0, 0),
) -> SparseLayer:  # fmt: skip
    """Of a weight [out, in, kernel height, kernel width] on an image [C, H, W]."""
    border = Border(*shape[1:], *padding) if any(padding) else None
    in_height, in_width = (size + 2 * by for size, by in zip(shape[1:], padding, strict=True))
    row_of, channel, y, x = np.nonzero(weight)
    return SparseLayer(
        name,
        starts_of(row_of, len(weight)),
        (channel * in_height + y) * in_width + x,
        weight[weight != 0],
        neurons,
        inputs=math.prod(shape),
        height=(in_height - weight.shape[2]) // stride[0] + 1,
        width=(in_width - weight.shape[3]) // stride[1] + 1,
        y_step=stride[0] * in_width,
        x_step=stride[1],
        border=border,
    )


def _require_plain(where: str, conv: nn.Conv2d) -> None:
    plain = {"padding": (0, 0), "dilation": (1, 1), "groups": 1}
    if wrong := [key for key, allowed in plain.items() if getattr(conv, key) != allowed]:
        found = ", ".join(f"{key} {getattr(conv, key)}" for key in wrong)
        raise UserError(f"{where}: found {found}; possible are {', '.join(f'{k} {v}' for k, v in plain.items())}")


def _bias(where: str, module: nn.Linear | nn.Conv2d) -> FloatNeurons:
    """Neurons of which only the bias is known yet."""
    rows = len(module.weight)
    bias = np.zeros(rows, np.float32) if module.bias is None else array_of(f"{where}.bias", module.bias)
    return replace(NO_NEURONS, bias=bias)


def _leaky(where: str, layer: SparseLayer, leaky: MultiStepLeaky) -> FloatNeurons:
    values = {}
    for key in ("beta", "threshold"):
        array = array_of(f"{where}.{key}", getattr(leaky, key))
        if array.size != 1 and (array.size != layer.rows or layer.y_step):
            raise UserError(f"{where}: {key} has {array.size} values; possible are one, or one for each dense neuron")
        values[key] = np.broadcast_to(array.reshape(-1), layer.rows).copy()
    return replace(layer.neurons, to_zero=leaky.reset_mechanism == "zero", **values)


def _pool(where: str, pool: nn.MaxPool2d) -> int:
    size = pool.kernel_size
    if not isinstance(size, int) or pool.stride != size or pool.padding or pool.dilation != 1 or pool.ceil_mode:
        raise UserError(f"{where}: possible is max-pooling over squares side by side; found {pool}")
    return size


def array_of(name: str, tensor: Tensor) -> np.ndarray:
    """A tensor as float32. Raises NotFiniteError."""
    array = torch.as_tensor(tensor).detach().cpu().float().numpy()
    if not np.isfinite(array).all():
        raise NotFiniteError(f"{name}: values are NaN or infinite")
    return array.copy()
