"""Made-up recordings and the files that hold them."""

import io
import tarfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from snnprune.data.events.formats import Events
from snnprune.data.events.source import Recording, Source


def random_events(count: int, seed: int, height: int = 6, width: int = 5, last_us: int = 40_000) -> Events:
    """Sorted events, the first at 0 and the last at `last_us`."""
    random = np.random.default_rng(seed)
    t = np.sort(random.integers(0, last_us + 1, count))
    t[0], t[-1] = 0, last_us
    x, y, p = (random.integers(0, limit, count) for limit in (width, height, 2))
    return Events(t, x, y, p)


def recording(t: Sequence[int], x: Any = 0, y: Any = 0, p: Any = 0, label: int = 0, index: int = 0) -> Recording:
    """A recording of those times; a single x, y or p is that of all events."""
    columns = (np.broadcast_to(np.asarray(values, np.int64), (len(t),)) for values in (x, y, p))
    return Recording(np.asarray(t, np.int64), *columns, label, f"made-up[{index}]", index)


def source_of(recordings: Iterable[Recording], channels: int = 2, size: tuple[int, int] | None = None) -> Source:
    """A source of recordings of one class."""
    kept = list(recordings)
    return Source("made-up", ("a",), np.zeros(len(kept), np.int64), lambda: iter(kept), size, channels)


def as_bin(events: Events) -> bytes:
    """N-MNIST's five bytes an event."""
    t, x, y, p = (np.asarray(column, np.int64) for column in events)
    rows = np.stack([x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255], axis=1)
    return rows.astype(np.uint8).tobytes()


def as_npy(array: Any) -> bytes:
    """The array as the content of an .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(array))
    return buffer.getvalue()


def rows(events: Events) -> np.ndarray:
    """Rows of t, x, y, p."""
    return np.stack(events, axis=1)


def packed_arrays(recordings: Sequence[Events], labels: Any) -> dict[str, Any]:
    """The arrays of a packed .npz."""
    steps = np.concatenate([np.diff(events.t, prepend=0) for events in recordings])
    columns = {name: np.concatenate([getattr(events, name) for events in recordings]) for name in ("x", "y", "p")}
    return {
        "x": columns["x"].astype(np.uint8),
        "y": columns["y"].astype(np.uint8),
        "p": np.packbits(columns["p"].astype(np.uint8)),
        "dt_lo": (steps & 255).astype(np.uint8),
        "dt_hi": (steps >> 8).astype(np.uint8),
        "offsets": np.cumsum([0, *(len(events.t) for events in recordings)]),
        "labels": np.asarray(labels),
    }


def write_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Writes each content under its relative name."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def write_archive(path: Path, files: Mapping[str, bytes]) -> Path:
    """The same files as an archive, by the ending of its name, in the order given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path
    with tarfile.open(path, f"w:{path.suffix[1:]}" if path.suffix != ".tar" else "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path
