"""Frames that were made elsewhere: one `.npz` with `frames` and `labels`, the way in for every other format."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snnprune.core.errors import DataError
from snnprune.data.events.frames import MOST, Frames
from snnprune.data.events.labels import number_labels
from snnprune.data.events.packed import array_names, read_arrays

SHAPES = {3: "[N, T, F]", 4: "[N, T, H, W]", 5: "[N, T, C, H, W]"}


def holds_frames(path: Path) -> bool:
    """Whether the file is an `.npz` with an array `frames`. Raises DataError: it is a damaged `.npz`."""
    return path.is_file() and path.suffix.lower() == ".npz" and "frames" in array_names(path, str(path))


def load_frames_file(path: Path) -> Frames:
    """The frames of an `.npz` with `frames`, [N, T, F], [N, T, H, W] or [N, T, C, H, W], of whole numbers 0..255 in any
    type, or booleans; and `labels`, whole numbers [N]. F features are held as [N, T, 1, 1, F]. It is read at once: the
    array as it is stored, and a byte a value.
    Raises DataError: it is damaged, an array is missing, has another shape or another kind of values."""
    where = str(path)
    arrays = read_arrays(path, where, ("frames", "labels"))
    frames = arrays["frames"]
    labels, names = number_labels(arrays["labels"], f"{where}: labels")
    if frames.ndim not in SHAPES or 0 in frames.shape:
        raise DataError(f"{where}: frames: expected {', '.join(SHAPES.values())}; found {list(frames.shape)}")
    if len(frames) != len(labels):
        raise DataError(f"{where}: {len(frames)} frames, but {len(labels)} labels; expected one a sample")
    count, timesteps, *inner = frames.shape
    shape = (count, timesteps, *(1,) * (3 - len(inner)), *inner)
    return Frames(_as_bytes(frames, where).reshape(shape), labels, names, step_ms=None)


def _as_bytes(frames: NDArray, where: str) -> NDArray[np.uint8]:
    if frames.dtype.kind not in "buif":
        raise DataError(f"{where}: frames: expected whole numbers 0 to {MOST}; found {frames.dtype}")
    if frames.dtype in (np.uint8, np.bool_):
        return frames.astype(np.uint8, copy=False)
    for index, sample in enumerate(frames):
        wrong = ~((sample >= 0) & (sample <= MOST))
        if frames.dtype.kind == "f":
            wrong |= sample != np.floor(sample)
        if wrong.any():
            found = sample[wrong].flat[0]
            raise DataError(
                f"{where}: frames[{index}] holds {found}; expected whole numbers 0 to {MOST}, events in a bin: "
                "round or clip them first"
            )
    return frames.astype(np.uint8)
