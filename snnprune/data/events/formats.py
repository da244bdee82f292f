"""The formats of one file per recording: N-MNIST's `.bin`, and `.npy`."""

import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from snnprune.core.errors import DataError

BYTES_PER_EVENT = 5
OVERFLOW_ROW, OVERFLOW_US = 240, 2**13
FIELDS = ("t", "x", "y", "p")
NUMBERS = "iubf"  # kinds of dtypes
BELOW = 2**62  # of each value, so that the time between two events fits into 64 bits


class Events(NamedTuple):
    """t in microseconds (int64), x, y, p, each [n], not checked yet."""

    t: NDArray[np.int64]
    x: NDArray[np.integer]
    y: NDArray[np.integer]
    p: NDArray[np.integer]


def read_bin(content: bytes, file: str) -> Events:
    """N-MNIST's and N-Caltech101's format: five bytes an event, big endian: x, y, one bit of polarity, 23 bits of time
    in microseconds. A row of 240 marks an overflow of the time: 8192 us for all that follows, and no event (as tonic's
    `read_mnist_file`). Raises DataError: the length is no multiple of five."""
    if len(content) % BYTES_PER_EVENT:
        raise DataError(
            f"{file}: truncated: {len(content)} bytes, expected a multiple of {BYTES_PER_EVENT}; "
            "replace it by an intact copy"
        )
    rows = np.frombuffer(content, np.uint8).reshape(-1, BYTES_PER_EVENT)
    x, y = rows[:, 0], rows[:, 1]
    high, middle, low = (rows[:, column].astype(np.int64) for column in (2, 3, 4))
    t, p = (high & 127) << 16 | middle << 8 | low, rows[:, 2] >> 7
    marker = y == OVERFLOW_ROW
    if not marker.any():
        return Events(t, x, y, p)
    event = ~marker
    t += OVERFLOW_US * np.cumsum(marker)
    return Events(t[event], x[event], y[event], p[event])


def read_npy(content: bytes, file: str) -> Events:
    """Rows of t (microseconds), x, y, p, or a record of fields with these names. Raises DataError: it is damaged, has
    another shape, or values are not whole numbers."""
    array = _load(content, file)
    if array.dtype.names is None:
        return _columns(array, file, "rows of t, x, y, p [n, 4], or a record of fields with these names")
    if missing := [name for name in FIELDS if name not in array.dtype.names]:
        raise DataError(
            f"{file}: field {', '.join(missing)} missing; expected t, x, y, p; found {', '.join(array.dtype.names)}"
        )
    if wrong := [name for name in FIELDS if array[name].shape != array.shape]:
        raise DataError(f"{file}: field {', '.join(wrong)}: expected one value an event; found several")
    return _whole({name: array[name].ravel() for name in FIELDS}, file)


def read_gesture(content: bytes, file: str) -> Events:
    """DVS Gesture as tonic publishes it: `.npy` rows of x, y, p and t in milliseconds. Raises DataError: as
    `read_npy`."""
    array = _load(content, file)
    if array.ndim == 2 and array.shape[1] == len(FIELDS) and array.dtype.kind in NUMBERS:
        # to t, x, y, p, a microsecond rounded down as tonic does
        array = np.column_stack((np.floor(array[:, 3] * 1000.0), array[:, :3]))
    return _columns(array, file, "rows of x, y, p, t [n, 4]")


READERS: dict[str, Callable[[bytes, str], Events]] = {".bin": read_bin, ".npy": read_npy}


def _load(content: bytes, file: str) -> NDArray:
    try:
        return np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{file}: not a readable .npy file ({error}); replace it by an intact copy") from error


def _columns(array: NDArray, file: str, expected: str) -> Events:
    if array.ndim != 2 or array.shape[1] != len(FIELDS):
        raise DataError(f"{file}: expected {expected}; found {array.dtype} {list(array.shape)}")
    return _whole({name: array[:, column] for column, name in enumerate(FIELDS)}, file)


def _whole(values: dict[str, NDArray], file: str) -> Events:
    """The columns as int64. Raises DataError: they are not whole numbers, or too large."""
    for name, column in values.items():
        if column.dtype.kind not in NUMBERS:
            raise DataError(f"{file}: {name}: expected whole numbers; found {column.dtype}")
        if column.dtype.kind == "f":
            column = column.astype(np.float64)
            whole = column == np.floor(column)
        else:
            whole = np.ones(len(column), np.bool_)
        right = whole & (column > -BELOW) & (column < BELOW)
        if not right.all():
            at = int((~right).argmax())
            allowed = "a whole number below 2^62" if whole[at] else "a whole number"
            hint = "; t is in microseconds" if name == "t" else ""
            raise DataError(f"{file}: {name} of event {at} is {column[at]}, expected {allowed}{hint}")
        values[name] = column.astype(np.int64)
    return Events(**values)
