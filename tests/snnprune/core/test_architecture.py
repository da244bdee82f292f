"""The notation of architectures: what it means, shapes and synapses worked by hand, and what it refuses."""

import pytest
import torch

from snnprune.core.architecture import Architecture, Conv, Dense, MaxPool, from_counts, parse

TUTORIAL = "28x28-12C5-MP2-64C5-MP2-10"


def test_the_tutorials_network_by_hand() -> None:
    found = parse(TUTORIAL)
    assert found == Architecture((1, 28, 28), (Conv(12, 5), MaxPool(2), Conv(64, 5), MaxPool(2), Dense(10)))
    # 28 - 5 + 1 = 24, halved 12; 12 - 5 + 1 = 8, halved 4; 64 * 4 * 4 = 1024 inputs of the dense layer.
    assert found.shapes == ((12, 24, 24), (12, 12, 12), (64, 8, 8), (64, 4, 4), (10,))
    assert (found.inputs, found.classes) == (784, 10)


def test_dense_networks_from_either_form() -> None:
    assert parse("784-256-10") == from_counts([784, 256, 10])
    assert from_counts([784, 256, 10]) == Architecture((784,), (Dense(256), Dense(10)))
    assert from_counts([784, 256, 10]).shapes == ((256,), (10,))


def test_channels_and_images_straight_into_dense_layers() -> None:
    assert parse("3x32x16-8C3-10").shapes == ((8, 30, 14), (10,))
    assert parse("3x32x16-8C3-10").inputs == 1536
    assert parse("2x3-4-5") == Architecture((1, 2, 3), (Dense(4), Dense(5)))


def test_pooling_drops_what_is_left_over() -> None:
    assert parse("8x6-2C2-MP3-5").shapes == ((2, 7, 5), (2, 2, 1), (5,))


@pytest.mark.parametrize(
    ("notation", "expected"),
    [
        ("28x28-12K5-10", "'12K5' is no layer; allowed are .*12C5.*MP2.*10"),
        ("28x28-12c5-10", "'12c5' is no layer"),
        ("28x28-MP-10", "'MP' is no layer"),
        ("28x28-0C5-10", "'0C5' is no layer"),
        ("784-0-10", "'0' is no layer"),
        ("784--10", "'' is no layer"),
        ("784-10-", "'' is no layer"),
        ("784-28x28-10", "'28x28' is no layer"),
        ("784, 256, 10", "'784, 256, 10' is no input"),
        ("", "'' is no input; allowed are .*28x28.*3x32x32.*784"),
        ("12C5-10", "'12C5' is no input"),
        ("1x3x32x32-10", "'1x3x32x32' is no input"),
        ("28x-10", "'28x' is no input"),
        ("28x28", "found only the input 1x28x28; at least one layer must follow it"),
        ("28x28-12C5", "found 12C5 as the last layer; it must be dense"),
        ("28x28-12C5-MP2", "found MP2 as the last layer; it must be dense"),
        ("784-12C5-10", "found 12C5 after the input 784; a convolution must follow an image"),
        ("28x28-50-12C5-10", "found 12C5 after the dense layer 50; a convolution must follow an image"),
        ("28x28-MP2-10", "found MP2 after the input; max-pooling must follow a convolution"),
        ("28x28-4C3-MP2-MP2-10", "found MP2 after MP2; max-pooling must follow a convolution"),
        ("28x28-50-MP2-10", "found MP2 after 50; max-pooling must follow a convolution"),
        (
            "4x9-3C5-10",
            "found 3C5 on 1x4x9 .channels x height x width.; its 5 x 5 pixels must fit, so 4 is the largest",
        ),
        ("9x4-3C5-10", "found 3C5 on 1x9x4 .*so 4 is the largest allowed"),
        ("8x8-3C5-MP5-10", "found MP5 on 3x4x4 .*so 4 is the largest allowed"),
        ("8x8-3C5-MP2-4C3-10", "found 4C3 on 3x2x2 .*so 2 is the largest allowed"),
    ],
)
def test_what_is_refused(notation: str, expected: str) -> None:
    with pytest.raises(ValueError, match=f"^{expected}"):
        parse(notation)


@pytest.mark.parametrize("notation", ["2x34x34-12C5S2-24C3S3-4", "1x11x8-3C3S2-MP2-2", "9x7-2C4S5-3", "1x1x700-128-20"])
def test_shapes_with_a_stride_are_those_of_torch(notation: str) -> None:
    architecture = parse(notation)
    values = torch.rand(1, *architecture.input_shape)
    shape = architecture.input_shape
    for layer, expected in zip(architecture.layers, architecture.shapes, strict=True):
        values = layer.module(shape)(values.flatten(1) if layer.flat else values)
        assert values.shape == (1, *expected)
        shape = expected
    assert (
        parse(f"{'x'.join(map(str, architecture.input_shape))}-{'-'.join(map(str, architecture.layers))}")
        == architecture
    )


def test_a_stride_by_hand() -> None:
    # (34 - 5) // 2 + 1 = 15, (15 - 3) // 2 + 1 = 7; stride 1 is what no stride says.
    assert parse("2x34x34-12C5S2-24C3S2-4").shapes == ((12, 15, 15), (24, 7, 7), (4,))
    assert parse("8x8-2C3S1-4") == parse("8x8-2C3-4")
    with pytest.raises(ValueError, match="'12C5S0' is no layer; allowed are .*12C5S2"):
        parse("28x28-12C5S0-10")
