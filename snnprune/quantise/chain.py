"""A chain of weighted layers, each followed by its neurons: what a network must be to have a form in whole numbers."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from snnprune.core.errors import NotFiniteError, UserError
from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import SpikingNetwork
from snnprune.core.own_model import Normalize
from snnprune.core.params import Direct, Encoding, Frames

Sides = tuple[int, int]


@dataclass(frozen=True)
class ChainLayer:
    """A layer and its neurons, which are leaky and whose reset acts one step after the spike.

    name: the weight's. weight: float32 [rows, inputs], or of a convolution [rows, channels, height, width]. bias, beta,
    threshold: float64 [rows], of a neuron or a channel. stride, padding (with zeros): of a convolution's rows, columns;
    pool: the side of the squares over which the maximum of its currents is taken (1: none).
    """

    name: str
    weight: Tensor
    bias: np.ndarray
    beta: np.ndarray
    threshold: np.ndarray
    to_zero: bool
    stride: Sides = (1, 1)
    padding: Sides = (0, 0)
    pool: int = 1


@dataclass(frozen=True)
class Chain:
    """input_shape: of a sample's step, [N] or [C, H, W]. normalize: what the first layer's weights do to the input that
    was done to it before (None: nothing). scores: the `sum` of a class's spikes, or their `mean` over the steps."""

    layers: tuple[ChainLayer, ...]
    timesteps: int
    encoding: Encoding
    input_shape: tuple[int, ...]
    normalize: Normalize | None = None
    scores: Literal["sum", "mean"] = "sum"


def chain_of(network: SpikingNetwork) -> Chain:
    """Raises UserError: a layer or neuron that has no integer form; names it. Raises NotFiniteError: a weight or bias
    is NaN or infinite."""
    spec, layers = network.spec, []
    modules = [(f"layers.{n}", m) for n, m in enumerate(network.layers) if not isinstance(m, nn.Flatten | nn.Dropout)]
    while modules:
        (name, module), *modules = modules
        pool = None
        if isinstance(module, nn.Conv2d) and modules and isinstance(modules[0][1], nn.MaxPool2d):
            pool, *modules = modules
        if not isinstance(module, nn.Linear | nn.Conv2d) or not modules:
            raise no_form(name, module)
        (after, leaky), *modules = modules
        if not isinstance(leaky, MultiStepLeaky) or leaky.reset_mechanism not in ("subtract", "zero"):
            raise no_form(after, leaky)
        numbers = (torch.as_tensor(value).detach().cpu().numpy() for value in (leaky.beta, leaky.threshold))
        layers.append(layer_of(name, module, pool, after, *numbers, leaky.reset_mechanism == "zero"))
    return Chain(tuple(layers), spec.timesteps, spec.encoding, spec.architecture.input_shape)


def of_raw_images(chain: Chain, normalize: Normalize | None) -> Chain:
    """The chain of one that takes images which `normalize` has been done to (None: the chain itself): its first layer
    does that, W (x - mean) / std + b. Where spikes drawn of images enter it, there is nothing to do. Raises UserError:
    zeros are put around the normalised images, which are no zeros of the images."""
    if normalize is None or not isinstance(chain.encoding, Direct | Frames):
        return chain
    first = chain.layers[0]
    if first.padding != (0, 0):
        raise UserError(
            f"{first.name}: pads normalised images, whose zeros are no zeros of the images; possible is a first "
            "convolution without padding, or images that are not normalised"
        )
    weight = first.weight.double() / normalize.std
    bias = first.bias - normalize.mean * weight.flatten(1).sum(1).numpy()
    first = replace(first, weight=weight.float(), bias=bias)
    return replace(chain, layers=(first, *chain.layers[1:]), normalize=normalize)


def layer_of(
    name: str, module: nn.Linear | nn.Conv2d, pool: tuple[str, nn.MaxPool2d] | None, after: str, beta: np.ndarray,
    threshold: np.ndarray, to_zero: bool,
) -> ChainLayer:  # fmt: skip
    """A layer of its modules and of its neurons' constants, one value or one for each neuron (in the shape of their
    spikes) or row. name, after: the layer's and the neurons', for errors. Raises as `chain_of`."""
    weight, rows = module.weight.detach().cpu(), len(module.weight)
    bias = np.zeros(rows) if module.bias is None else module.bias.detach().cpu().double().numpy()
    for key, values in (("weight", weight.numpy()), ("bias", bias)):
        if not np.isfinite(values).all():
            raise NotFiniteError(f"{name}.{key}: values are NaN or infinite")
    constants = [_by_row(after, key, each, rows) for key, each in (("beta", beta), ("threshold", threshold))]
    window = {} if isinstance(module, nn.Linear) else _window(name, module)
    side = 1 if pool is None else _side(*pool)
    return ChainLayer(f"{name}.weight", weight, bias, *constants, to_zero, **window, pool=side)


def no_form(name: str, found: object) -> UserError:
    """The error for a part of a network."""
    return UserError(
        f"{name}: {found} has no integer form; allowed are Linear, or Conv2d (one group, no dilation, zeros around) "
        "with MaxPool2d of squares that do not overlap, each followed by Leaky neurons that reset by subtraction or to "
        "zero, one step after the spike, with one beta and threshold or one for each row of the weight"
    )


def _window(name: str, conv: nn.Conv2d) -> dict[str, Sides]:
    """Stride and padding."""
    padding = conv.padding
    if isinstance(padding, str):
        padding = (0, 0) if padding == "valid" else tuple(side // 2 for side in conv.kernel_size)
    even = conv.padding == "same" and any(side % 2 == 0 for side in conv.kernel_size)
    if even or (conv.groups, conv.dilation, conv.padding_mode) != (1, (1, 1), "zeros"):
        raise no_form(name, conv)
    return {"stride": conv.stride, "padding": padding}


def _side(name: str, pool: nn.MaxPool2d) -> int:
    high, wide = _pair(pool.kernel_size)
    plain = (_pair(pool.stride or pool.kernel_size), _pair(pool.padding), _pair(pool.dilation), pool.ceil_mode)
    if high != wide or plain != ((high, wide), (0, 0), (1, 1), False):
        raise no_form(name, pool)
    return high


def _pair(sides: int | tuple[int, ...]) -> Sides:
    return (sides, sides) if isinstance(sides, int) else tuple(sides)


def _by_row(name: str, key: str, values: np.ndarray, rows: int) -> np.ndarray:
    """Values of neurons as those of the rows, float64 [rows]."""
    if values.size != 1 and values.size % rows:
        raise no_form(name, f"{key} of {values.size} values for {rows} rows")
    by_row = values.reshape(1 if values.size == 1 else rows, -1)
    if (by_row != by_row[:, :1]).any():
        raise no_form(name, f"{key} that differs within a channel")
    return np.broadcast_to(by_row[:, 0], rows).astype(np.float64)
