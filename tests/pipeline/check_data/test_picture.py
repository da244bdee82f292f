"""The picture of `check-data`: its colours by hand, and that every kind of data is drawn."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from pipeline.check_data.picture import BLUE, CLASSES, RED, STEPS, coloured, draw
from pipeline.data.raw import Samples, numbered
from snnprune.core.errors import UserError


def test_polarity_1_is_red_and_0_blue_on_white() -> None:
    frame = np.zeros((2, 1, 4), np.uint8)
    frame[0, 0, 1] = frame[1, 0, 2] = 4
    frame[1, 0, 3] = 1
    colours = coloured(frame, most=4)
    assert colours.shape == (1, 4, 3)
    assert colours[0, 0].tolist() == [1, 1, 1]
    assert np.allclose(colours[0, 1], BLUE)
    assert np.allclose(colours[0, 2], RED)
    assert np.allclose(colours[0, 3], (1 + RED) / 2)  # a quarter of the most, by its root


@pytest.mark.parametrize("channels", [1, 3])
def test_other_numbers_of_channels_are_added_up_in_black(channels: int) -> None:
    frame = np.zeros((channels, 1, 2), np.uint8)
    frame[:, 0, 1] = 255
    assert coloured(frame, most=255).tolist() == [[[1, 1, 1], [0, 0, 0]]]


@pytest.mark.parametrize(
    ("shape", "small"),  # a row's pictures side by side
    [((4, 5), 8), ((3, 4, 5), 8), ((3, 2, 6, 7), 3), ((40, 1, 6, 7), STEPS), ((20, 1, 1, 300), 3)],
    ids=["images", "colour images", "frames", "many frames", "a row of sensors"],
)
def test_every_kind_of_sample_is_drawn(tmp_path: Path, shape: tuple[int, ...], small: int) -> None:
    images = np.random.default_rng(0).integers(0, 3, (30, *shape)).astype(np.uint8)
    draw(Samples(images, np.arange(30) % 3), ("a", "b", "c"), path := tmp_path / "picture.png")
    height, width = imread(path).shape[:2]
    assert height > 300
    assert width > 100 * small


def test_of_many_classes_some_are_drawn(tmp_path: Path) -> None:
    samples = Samples(np.eye(100, dtype=np.uint8).reshape(100, 10, 10), np.arange(100))
    draw(samples, numbered(100), tmp_path / "picture.png")
    assert imread(tmp_path / "picture.png").shape[0] < 150 * CLASSES


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    samples = Samples(np.eye(4, dtype=np.uint8).reshape(4, 2, 2), np.arange(4) % 2)
    with pytest.raises(UserError, match="nowhere/picture.png: cannot be written .*; choose another file with --pict"):
        draw(samples, ("a", "b"), tmp_path / "nowhere" / "picture.png")
