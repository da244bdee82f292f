"""Draws a sample of each class: an image, the frames of events, or the events of one row of sensors over time."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.data.raw import Samples
from snnprune.core.errors import UserError

CLASSES, STEPS = 20, 12  # most that are drawn
STILL, LINES = 8, 3  # samples of a class: images, and rows of sensors
SIDE = 1.0  # of a small picture, in inches
LINE_HEIGHT = 100  # dots of a picture over time: sensors beside each other are added up
RED, BLUE, BLACK = np.array([0.80, 0.15, 0.15]), np.array([0.15, 0.35, 0.80]), np.zeros(3)

Picture = NDArray[np.float64]  # [H, W] or [H, W, 3]


def draw(samples: Samples, names: tuple[str, ...], path: Path) -> None:
    """Write a PNG with samples of each class, a row each; of many classes and frames some. Raises UserError: the file
    cannot be written."""
    pictures = {1: _over_time, 2: _frames}[min(samples.images.shape[3], 2)] if samples.images.ndim == 5 else _still
    rows = {names[label]: pictures(samples, label) for label in np.unique(samples.labels)[:CLASSES].tolist()}
    figure = _figure(rows, wide=pictures is _over_time)
    if samples.images.ndim == 5 and samples.images.shape[2] == 2:
        figure.supxlabel("red: events of polarity 1, blue: of polarity 0, dark: of both", fontsize=8)
    try:
        figure.savefig(path, dpi=120, format="png")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); choose another file with --picture") from error


def coloured(frame: NDArray[np.uint8], most: int) -> Picture:
    """One frame [C, H, W] as colours [H, W, 3] on white: of two channels, events of polarity 1 red and of 0 blue, of
    others all black; as strong as they are many, `most` in full. A few are seen, too."""
    inks = (BLUE, RED) if len(frame) == 2 else (BLACK,)
    layers = frame if len(frame) == 2 else frame.sum(axis=0, keepdims=True, dtype=int)
    colours = np.ones((*frame.shape[1:], 3))
    for ink, counts in zip(inks, layers, strict=True):
        colours -= np.sqrt(counts / max(most, 1))[..., None] * (1 - ink)
    return colours.clip(0, 1)


def _chosen(samples: Samples, label: int, count: int) -> NDArray:
    return samples.images[np.flatnonzero(samples.labels == label)[:count]]


def _still(samples: Samples, label: int) -> dict[str, Picture]:
    """Several images; of several channels the first."""
    chosen = _chosen(samples, label, STILL)
    return {f"{number}": image if image.ndim == 2 else image[0] for number, image in enumerate(chosen, start=1)}


def _frames(samples: Samples, label: int) -> dict[str, Picture]:
    """The frames of one recording."""
    (sample,) = _chosen(samples, label, 1)
    steps = np.unique(np.linspace(0, len(sample) - 1, min(len(sample), STEPS)).round().astype(int))
    return {f"frame {step + 1}": coloured(sample[step], int(sample.max())) for step in steps.tolist()}


def _over_time(samples: Samples, label: int) -> dict[str, Picture]:
    """Several recordings of a row of sensors [T, C, 1, W]: sensors upwards, time to the right."""
    found = {}
    for number, sample in enumerate(_chosen(samples, label, LINES), start=1):
        upwards = sample[:, :, 0].transpose(1, 2, 0)[:, ::-1]  # [C, W, T]
        starts = np.arange(0, upwards.shape[1], -(-upwards.shape[1] // LINE_HEIGHT))
        counts = np.add.reduceat(upwards, starts, axis=1, dtype=int)
        found[f"recording {number}, over time"] = coloured(counts, int(counts.max()))
    return found


def _figure(rows: dict[str, dict[str, Picture]], wide: bool) -> Figure:
    columns = max(map(len, rows.values()))
    figure = Figure(figsize=(1.2 + columns * SIDE * (2.5 if wide else 1), 0.4 + len(rows) * SIDE * 1.1))
    for number, (name, pictures) in enumerate(rows.items()):
        for column, (title, picture) in enumerate(pictures.items()):
            panel = figure.add_subplot(len(rows), columns, number * columns + column + 1)
            panel.imshow(picture, cmap="gray", aspect="auto" if wide else "equal", interpolation="nearest")
            panel.set(xticks=[], yticks=[])
            if number == 0:
                panel.set_title(title, fontsize=8)
            if column == 0:
                panel.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    figure.set_layout_engine("tight")
    return figure
