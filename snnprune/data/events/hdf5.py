"""The Spiking Heidelberg Digits and Spiking Speech Commands, as published: one HDF5 file a split (Cramer et al. 2020,
IEEE Trans. Neural Netw. Learn. Syst.; zenkelab.org/resources/spiking-heidelberg-datasets-shd).

spikes/times [N] of float16 seconds, spikes/units [N] of channels 0..699, labels [N], extra/keys: names of the classes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from snnprune.core.errors import DataError, UserError
from snnprune.data.events.labels import number_labels
from snnprune.data.events.source import Recording, Source
from snnprune.data.events.tree import unreadable

CHANNELS = 700
ARRAYS = ("spikes/times", "spikes/units", "labels")
KEYS = "extra/keys"
MOST_SECONDS = 10**12  # in microseconds they fit into 64 bits


def open_hdf5(file: Path | bytes, where: str) -> Source:
    """The recordings of an SHD or SSC file; a unit is x of a sensor of 1 x 700 with one polarity, a time is rounded
    down to a microsecond as tonic does. The file does not say that spikes are sorted: they are, by time, on reading.
    Without extra/keys the classes are named by their numbers. Raises DataError: it is damaged, an array is missing,
    lengths differ, or a label has no name of its own; UserError: h5py is not installed."""
    with _opened(file, where) as content:
        if missing := [name for name in ARRAYS if name not in content]:
            raise DataError(f"{where}: {', '.join(missing)} missing; expected {', '.join(ARRAYS)}")
        sizes = {name: len(content[name]) for name in ARRAYS}
        if len(set(sizes.values())) > 1:
            found = ", ".join(f"{name} {size}" for name, size in sizes.items())
            raise DataError(f"{where}: expected arrays of equal length; found {found}")
        values = content["labels"][()]
        keys = [_text(key) for key in content[KEYS][()]] if KEYS in content else []
    labels, names = number_labels(values, f"{where}: labels")
    if keys:
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise DataError(f"{where}: {KEYS} names {twice} {keys.count(twice)} times; expected each class once")
        if values.min() < 0 or values.max() >= len(keys):
            raise DataError(
                f"{where}: labels {values.min()} to {values.max()}, but {KEYS} names {len(keys)} classes; "
                f"expected 0 to {len(keys) - 1}"
            )
        labels, names = values.astype(np.int64), tuple(keys)

    def recordings() -> Iterator[Recording]:
        with _opened(file, where) as content:
            times, units = content["spikes/times"], content["spikes/units"]
            for index, label in enumerate(labels.tolist()):
                yield _recording(times[index], units[index], label, f"{where}[{index}]", index)

    return Source(where, names, labels, recordings, size=(1, CHANNELS), channels=1)


def _recording(times: Any, units: Any, label: int, file: str, index: int) -> Recording:
    seconds = times.astype(np.float64)
    if len(seconds) != len(units):
        raise DataError(f"{file}: {len(seconds)} times, but {len(units)} units; expected one a spike")
    if not (np.abs(seconds) < MOST_SECONDS).all() or not np.issubdtype(units.dtype, np.integer):
        raise DataError(
            f"{file}: expected finite times in seconds and whole numbers of units; found NaN, infinity, more than "
            f"{MOST_SECONDS:,} s, or fractions"
        )
    t = (seconds * 1e6).astype(np.int64)
    order = np.argsort(t, kind="stable")
    zeros = np.zeros(len(t), np.uint8)
    return Recording(t[order], units[order].astype(np.int64), zeros, zeros, label, file, index)


@contextmanager
def _opened(file: Path | bytes, where: str) -> Iterator[Any]:
    try:
        import h5py
    except ImportError as error:
        raise UserError(f"{where}: HDF5 files need h5py; install it: pip install h5py") from error
    try:
        with h5py.File(BytesIO(file) if isinstance(file, bytes) else file, "r") as content:
            yield content
    except PermissionError as error:
        raise unreadable(where, error) from error
    except (OSError, RuntimeError, KeyError, TypeError) as error:
        raise DataError(f"{where}: not a readable HDF5 file ({error}); replace it by an intact copy") from error


def _text(key: Any) -> str:
    return key.decode() if isinstance(key, bytes) else str(key)
