"""Linear, Conv and pooling layers as taps: which input each output reads, at what weight, for one loop over all.

The input lies in memory as channels with a border (`Layout`); row j of the output is, at (y, x),

    bias[j] + sum of values[p] * input[columns[p] + y * y_step + x * x_step]    over p from starts[j] to starts[j + 1]

or in max-pooling the highest of these inputs. Weights that are zero are left out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from torch import nn

from snnprune.core.errors import UserError
from snnprune.export.sparse_layers import array_of
from snnprune.export.sparse_net import starts_of

Sides = tuple[int, int]
NO_BORDER = ((0, 0), (0, 0))


@dataclass(frozen=True)
class Layout:
    """channels of height x width, with a border of which top and left are on that side, in channels of padded_height x
    padded_width."""

    channels: int
    height: int
    width: int
    top: int
    left: int
    padded_height: int
    padded_width: int

    @classmethod
    def of(cls, shape: tuple[int, ...], border: tuple[Sides, Sides] = NO_BORDER) -> "Layout":
        """Of values [C, H, W], or [C, L] and [N] as [C, 1, L] and [1, 1, N]. border: above, below; left, right."""
        channels, height, width = (shape[0] if len(shape) > 1 else 1, shape[1] if len(shape) > 2 else 1, shape[-1])
        (top, bottom), (left, right) = border
        return cls(channels, height, width, top, left, height + top + bottom, width + left + right)

    @property
    def size(self) -> int:
        """Values with the border."""
        return self.channels * self.padded_height * self.padded_width

    @property
    def has_border(self) -> bool:
        """Whether it is more than the values themselves."""
        return (self.padded_height, self.padded_width) != (self.height, self.width)


@dataclass(frozen=True)
class Taps:
    """starts [rows + 1], columns [taps]: int64; values [taps] (none in max-pooling), bias [rows]: float32. height,
    width: of a row. highest: max-pooling."""

    layout: Layout
    starts: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    bias: np.ndarray
    height: int = 1
    width: int = 1
    y_step: int = 0
    x_step: int = 0
    highest: bool = False

    @property
    def rows(self) -> int:
        """Neurons, or channels."""
        return len(self.bias)

    @property
    def operations(self) -> int:
        """Of a step; a maximum costs none."""
        return len(self.values) * self.height * self.width


def taps_of(name: str, module: nn.Module, shape: tuple[int, ...]) -> Taps:
    """Of a module that reads values of a shape (without the batch). Raises UserError: it is of another kind, or has an
    option that is not possible; names it. Raises NotFiniteError: a weight or bias is NaN or infinite."""
    for kind, taps in KINDS.items():
        if isinstance(module, kind):
            try:
                return taps(name, module, shape)
            except ValueError as error:
                raise UserError(f"{name} ({type(module).__name__}): {error}") from error
    allowed = ", ".join(kind.__name__ for kind in KINDS)
    raise UserError(
        f"{name}: {type(module).__name__} is not possible; possible are {allowed}, BatchNorm, Flatten, Dropout, neurons"
    )


def _linear(name: str, module: nn.Linear, shape: tuple[int, ...]) -> Taps:
    if len(shape) != 1:
        raise ValueError(f"reads values {list(shape)}; possible are vectors")
    weight = array_of(f"{name}.weight", module.weight)
    row_of, columns = np.nonzero(weight)
    return Taps(Layout.of(shape), starts_of(row_of, len(weight)), columns, weight[weight != 0], _bias(name, module))


def _convolution(name: str, module: nn.Conv1d | nn.Conv2d, shape: tuple[int, ...]) -> Taps:
    if module.padding_mode != "zeros":
        raise ValueError(f"padding_mode {module.padding_mode} is not possible; possible is zeros")
    weight = array_of(f"{name}.weight", module.weight)
    weight = weight.reshape(*weight.shape[:2], *_two(weight.shape[2:], 1))
    window = _Window(weight.shape[2:], _two(module.stride, 1), _two(module.dilation, 1))
    if isinstance(module.padding, str):
        extra = [0 if module.padding == "valid" else side - 1 for side in window.extent]
        border = tuple((side // 2, side - side // 2) for side in extra)
    else:
        border = tuple((side, side) for side in _two(module.padding, 0))
    row_of, channel, y, x = np.nonzero(weight)
    channel = channel + row_of // (len(weight) // module.groups) * weight.shape[1]
    taps = window.over(Layout.of(shape, border), len(weight), row_of, channel, y, x)
    return Taps(**taps, values=weight[weight != 0], bias=_bias(name, module))


def _average_pool(_: str, module: nn.AvgPool2d, shape: tuple[int, ...]) -> Taps:
    kernel, padding = _two(module.kernel_size), _two(module.padding)
    if module.ceil_mode or (any(padding) and not module.count_include_pad):
        raise ValueError("ceil_mode, or padding that is not counted, is not possible")
    taps = _pool(module, shape, kernel, (1, 1))
    share = np.float32(1) / np.float32(module.divisor_override or kernel[0] * kernel[1])
    return Taps(**taps, values=np.full(len(taps["columns"]), share), bias=np.zeros(shape[0], np.float32))


def _max_pool(_: str, module: nn.MaxPool2d, shape: tuple[int, ...]) -> Taps:
    if module.ceil_mode:
        raise ValueError("ceil_mode is not possible")
    taps = _pool(module, shape, _two(module.kernel_size), _two(module.dilation))
    return Taps(**taps, values=np.zeros(0, np.float32), bias=np.zeros(shape[0], np.float32), highest=True)


def _pool(module: nn.Module, shape: tuple[int, ...], kernel: Sides, dilation: Sides) -> dict:
    border = tuple((side, side) for side in _two(module.padding))
    channel, y, x = np.indices((shape[0], *kernel)).reshape(3, -1)
    window = _Window(kernel, _two(module.stride), dilation)
    return window.over(Layout.of(shape, border), shape[0], channel, channel, y, x)


@dataclass(frozen=True)
class _Window:
    """What slides over a layout."""

    kernel: Sides
    stride: Sides
    dilation: Sides

    @property
    def extent(self) -> list[int]:
        """Inputs from its first to its last tap, in each direction."""
        return [step * (size - 1) + 1 for size, step in zip(self.kernel, self.dilation, strict=True)]

    def over(self, layout: Layout, rows: int, row_of: np.ndarray, *tap: np.ndarray) -> dict:
        """What `Taps` has of it: of each tap its row, these in order, and its channel, y and x in the window."""
        channel, y, x = tap
        down, right = self.dilation
        tall, wide = self.extent
        return {
            "layout": layout,
            "starts": starts_of(row_of, rows),
            "columns": (channel * layout.padded_height + y * down) * layout.padded_width + x * right,
            "height": (layout.padded_height - tall) // self.stride[0] + 1,
            "width": (layout.padded_width - wide) // self.stride[1] + 1,
            "y_step": self.stride[0] * layout.padded_width,
            "x_step": self.stride[1],
        }


def _two(sides: int | tuple[int, ...], missing: int | None = None) -> Sides:
    """Of a size in each direction; of one axis alone the other is `missing`."""
    if isinstance(sides, int):
        return sides, sides
    return (missing, *sides) if len(sides) == 1 else tuple(sides)


def _bias(name: str, module: nn.Module) -> np.ndarray:
    return np.zeros(len(module.weight), np.float32) if module.bias is None else array_of(f"{name}.bias", module.bias)


KINDS: Mapping[type[nn.Module], Callable[..., Taps]] = {
    nn.Linear: _linear,
    nn.Conv1d: _convolution,
    nn.Conv2d: _convolution,
    nn.AvgPool2d: _average_pool,
    nn.MaxPool2d: _max_pool,
}
