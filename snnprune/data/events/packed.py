"""Many recordings packed into one `.npz`: 3.1 bytes an event (N-MNIST's 60,000 recordings of 4,200: 0.8 GB).

Arrays: x, y uint8 [n]; p uint8 [n / 8 rounded up], polarity bits as `np.packbits` packs them; dt_lo, dt_hi uint8 [n]:
microseconds since the event before, dt_lo + 256 dt_hi; offsets int64 [N + 1]: recording i is events offsets[i] to
offsets[i + 1] - 1; labels, whole numbers [N]. Others are ignored.
"""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from snnprune.core.errors import DataError
from snnprune.data.events.labels import number_labels
from snnprune.data.events.source import Recording, Source
from snnprune.data.events.tree import unreadable

BYTES = ("x", "y", "p", "dt_lo", "dt_hi")
ARRAYS = (*BYTES, "offsets", "labels")
REPLACE_IT = "replace it by an intact copy"
READY_MADE = "; ready-made frames are one file for all splits, given by its own path"


@dataclass(frozen=True)
class _Packed:
    where: str
    x: NDArray[np.uint8]
    y: NDArray[np.uint8]
    p: NDArray[np.uint8]
    dt_lo: NDArray[np.uint8]
    dt_hi: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    labels: NDArray[np.int64]

    def recordings(self) -> Iterator[Recording]:
        for index, label in enumerate(self.labels.tolist()):
            first, last = self.offsets[index : index + 2].tolist()
            events = slice(first, last)
            t = np.cumsum(self.dt_lo[events] + self.dt_hi[events].astype(np.int64) * 256)
            p = np.unpackbits(self.p[first // 8 : -(-last // 8)])[first % 8 :][: last - first]
            yield Recording(t, self.x[events], self.y[events], p, label, f"{self.where}[{index}]", index)


def open_packed(file: Path | BinaryIO, where: str) -> Source:
    """The recordings of a packed `.npz`; `where` names it in errors. Raises DataError: it is damaged, an array is
    missing or has another type, their lengths do not fit, or a recording is empty."""
    found = read_arrays(file, where, ARRAYS)
    for name in BYTES:
        if found[name].dtype != np.uint8 or found[name].ndim != 1:
            raise DataError(f"{where}: {name}: expected uint8 [n]; found {found[name].dtype} {list(found[name].shape)}")
    labels, names = number_labels(found.pop("labels"), f"{where}: labels")
    offsets = found.pop("offsets")
    _check_offsets(offsets, len(labels), len(found["x"]), where)
    events = len(found["x"])
    for name, expected in {"y": events, "p": -(-events // 8), "dt_lo": events, "dt_hi": events}.items():
        if len(found[name]) != expected:
            raise DataError(
                f"{where}: {name} has {len(found[name])} bytes, expected {expected} for the {events} events of x; "
                f"{REPLACE_IT}"
            )
    packed = _Packed(where, offsets=offsets.astype(np.int64), labels=labels, **found)
    size = int(found["y"].max()) + 1, int(found["x"].max()) + 1
    return Source(where, names, labels, packed.recordings, size)


def read_arrays(file: Path | BinaryIO, where: str, names: tuple[str, ...]) -> dict[str, NDArray]:
    """The named arrays of an `.npz`. Raises DataError: it is damaged, or an array is missing."""
    with _opened(file, where) as archive:
        if missing := [name for name in names if name not in archive.files]:
            raise DataError(
                f"{where}: array {', '.join(missing)} missing; it holds {', '.join(archive.files) or 'none'}; "
                f"expected {', '.join(names)}{READY_MADE if 'frames' in {*archive.files} - {*names} else ''}"
            )
        return {name: archive[name] for name in names}


def array_names(file: Path, where: str) -> list[str]:
    """The names of the arrays of an `.npz`. Raises DataError: it is damaged."""
    with _opened(file, where) as archive:
        return archive.files


@contextmanager
def _opened(file: Path | BinaryIO, where: str) -> Iterator[NpzFile]:
    try:
        archive = np.load(file)
        if not isinstance(archive, NpzFile):
            raise DataError(f"{where}: not a readable .npz file but a single array, an .npy; save it with np.savez")
        with archive:
            yield archive
    except DataError:
        raise
    except PermissionError as error:
        raise unreadable(where, error) from error
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{where}: not a readable .npz file ({error}); {REPLACE_IT}") from error


def _check_offsets(offsets: NDArray, recordings: int, events: int, where: str) -> None:
    kind = f"{offsets.dtype} {list(offsets.shape)}"
    if offsets.shape != (recordings + 1,) or not np.issubdtype(offsets.dtype, np.integer):
        raise DataError(
            f"{where}: offsets: expected whole numbers [{recordings + 1}], one more than labels; found {kind}"
        )
    if offsets[0] != 0 or offsets[-1] != events:
        found = f"found {offsets[0]} to {offsets[-1]}"
        raise DataError(f"{where}: offsets: expected 0 to {events}, the number of events; {found}; {REPLACE_IT}")
    sizes = np.diff(offsets.astype(np.int64))
    if sizes.min() <= 0:
        at = int((sizes <= 0).argmax())
        problem = "has no events" if sizes[at] == 0 else f"ends before it begins ({offsets[at]} to {offsets[at + 1]})"
        raise DataError(f"{where}[{at}]: the recording {problem}; remove it or {REPLACE_IT}")
