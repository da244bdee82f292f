"""The architecture of a network: neuron counts, or the field's notation, read into layers whose shapes fit.

Notation, input first, parts joined by `-`: `28x28-12C5-MP2-64C5-MP2-10`.

    784, 28x28, 3x32x32   the input: a vector, an image H x W of one channel, an image C x H x W; only as the first part
    12C5, 12C5S2          convolution to 12 channels, 5 x 5 kernel, stride 1 (S2: 2), no padding; then spiking neurons
    MP2                   max-pooling 2 x 2, stride 2, of a convolution's current, before its neurons
    10                    dense layer of 10 spiking neurons; the last one's are the classes

To add a kind of layer, write a frozen dataclass like those below, whose `str` is its notation, and list it in `Layer`:
pattern        its notation, a group for each field
flat, pools    its input is a vector; it acts on the current of the layer before, whose neurons come after it
output_shape   its output's shape for an input of `shape`, which the layer `before` gives (None: the network's input);
               ValueError where it does not fit
module         what computes it for an input of `shape`
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, get_args

from torch import nn

Shape = tuple[int, ...]  # [N], or [C, H, W]

COUNT = "([1-9][0-9]{0,5})"
INPUT = re.compile(f"{COUNT}(?:x{COUNT})?(?:x{COUNT})?")


@dataclass(frozen=True)
class Conv:
    """A convolution without padding, with a square kernel."""

    channels: int
    kernel: int
    stride: int = 1
    pattern: ClassVar = re.compile(f"{COUNT}C{COUNT}(?:S{COUNT})?")
    flat: ClassVar = False
    pools: ClassVar = False

    def __str__(self) -> str:
        return f"{self.channels}C{self.kernel}" + (f"S{self.stride}" if self.stride > 1 else "")

    def output_shape(self, shape: Shape, before: "Layer | None") -> Shape:
        _, height, width = _image(self, self.kernel, shape, before)
        return (self.channels, *((side - self.kernel) // self.stride + 1 for side in (height, width)))

    def module(self, shape: Shape) -> nn.Module:
        return nn.Conv2d(shape[0], self.channels, self.kernel, self.stride)


@dataclass(frozen=True)
class MaxPool:
    """Max-pooling over squares that do not overlap; rows and columns left over are dropped."""

    size: int
    pattern: ClassVar = re.compile(f"MP{COUNT}")
    flat: ClassVar = False
    pools: ClassVar = True

    def __str__(self) -> str:
        return f"MP{self.size}"

    def output_shape(self, shape: Shape, before: "Layer | None") -> Shape:
        if not isinstance(before, Conv):
            raise ValueError(f"found {self} after {before or 'the input'}; max-pooling must follow a convolution")
        channels, height, width = _image(self, self.size, shape, before)
        return (channels, height // self.size, width // self.size)

    def module(self, shape: Shape) -> nn.Module:
        return nn.MaxPool2d(self.size)


@dataclass(frozen=True)
class Dense:
    """A fully connected layer."""

    neurons: int
    pattern: ClassVar = re.compile(COUNT)
    flat: ClassVar = True
    pools: ClassVar = False

    def __str__(self) -> str:
        return str(self.neurons)

    def output_shape(self, shape: Shape, before: "Layer | None") -> Shape:
        return (self.neurons,)

    def module(self, shape: Shape) -> nn.Module:
        return nn.Linear(math.prod(shape), self.neurons)


Layer = Conv | MaxPool | Dense


@dataclass(frozen=True)
class Architecture:
    """The input's shape, [N] or [C, H, W] without the batch, and the layers after it. Raises ValueError: the layers do
    not fit each other or the input, or the last one is not dense."""

    input_shape: Shape
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        if not self.layers:
            raise ValueError(f"found only the input {_written(self.input_shape)}; at least one layer must follow it")
        if not isinstance(last := self.layers[-1], Dense):
            raise ValueError(f"found {last} as the last layer; it must be dense, the number of classes such as 10")
        _ = self.shapes

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Each layer's output shape, [N] or [C, H, W]. Raises ValueError where layers do not fit."""
        shape, before, found = self.input_shape, None, []
        for layer in self.layers:
            shape, before = layer.output_shape(shape, before), layer
            found.append(shape)
        return tuple(found)

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return math.prod(self.input_shape)

    def takes(self, shape: Shape) -> bool:
        """Whether images or frames of this shape [C, H, W] fit the input; a vector takes any shape of as many
        values."""
        return shape == self.input_shape or (len(self.input_shape) == 1 and math.prod(shape) == self.inputs)

    @property
    def classes(self) -> int:
        """Number of output neurons."""
        return math.prod(self.shapes[-1])


def from_counts(counts: Sequence[int]) -> Architecture:
    """A dense network of these neuron counts, input first."""
    return Architecture((counts[0],), tuple(map(Dense, counts[1:])))


def parse(notation: str) -> Architecture:
    """The architecture of a notation, as described at the top of this file. Raises ValueError: a part that is none of
    those, or layers that do not fit; says what was found and what is allowed."""
    first, *others = notation.split("-")
    size = INPUT.fullmatch(first)
    if size is None:
        raise ValueError(f"{first!r} is no input; allowed are HxW (28x28), CxHxW (3x32x32) and a number (784)")
    shape = tuple(int(count) for count in size.groups() if count)
    return Architecture((1, *shape) if len(shape) == 2 else shape, tuple(map(_layer, others)))


def _layer(part: str) -> Layer:
    for kind in get_args(Layer):
        if found := kind.pattern.fullmatch(part):
            return kind(*(int(count) for count in found.groups() if count))
    raise ValueError(
        f"{part!r} is no layer; allowed are a convolution of channels and kernel (12C5), with a stride (12C5S2), "
        "max-pooling (MP2) and a number of dense neurons (10)"
    )


def _image(layer: Layer, extent: int, shape: Shape, before: "Layer | None") -> tuple[int, int, int]:
    """`shape` as [C, H, W]. Raises ValueError unless it is an image that holds `extent` x `extent` pixels."""
    if len(shape) != 3:
        raise ValueError(
            f"found {layer} after {f'the dense layer {before}' if before else f'the input {_written(shape)}'}; "
            "a convolution must follow an image (28x28, 3x32x32), a convolution or max-pooling"
        )
    if extent > min(shape[1:]):
        raise ValueError(
            f"found {layer} on {_written(shape)} (channels x height x width); its {extent} x {extent} pixels must fit, "
            f"so {min(shape[1:])} is the largest allowed"
        )
    return shape


def _written(shape: Shape) -> str:
    return "x".join(map(str, shape))
