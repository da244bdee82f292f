"""What is read: one recording, and all recordings of a split, one after the other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snnprune.core.errors import DataError

LONGEST_US = 10**14  # three years: so many times the most frames still fit into 64 bits
LAST_PIXEL = 2**16 - 1  # of a row or column: coordinates have 16 bits at most in every format of events


@dataclass(frozen=True)
class Recording:
    """The events of one recording, in the order of time.

    t: int64 [n], microseconds, never falling. x, y: integers [n], columns and rows of the sensor. p: integers [n],
    polarity: 0 or 1. label: of the class, an index into the source's names. file: for errors, where it was read.
    index: its place in the source's labels.
    """

    t: NDArray[np.int64]
    x: NDArray[np.integer]
    y: NDArray[np.integer]
    p: NDArray[np.integer]
    label: int
    file: str
    index: int

    def __len__(self) -> int:
        return len(self.t)

    @property
    def duration_ms(self) -> float:
        """From the first event to the end of the last one's microsecond."""
        return (int(self.t[-1]) - int(self.t[0]) + 1) / 1000


@dataclass(frozen=True)
class Source:
    """The recordings of a split, read anew, one by one, at each iteration: no more than one is in memory (of a packed
    file: all, at 3.1 bytes an event). They come in the order that is cheapest to read; `Recording.index` is the place.

    path: where it lies, for errors. names: of the classes, in label order. labels: int64 [N], 0..len(names)-1.
    size: (height, width) of the sensor, where it is known before all recordings were read. channels: polarities.
    """

    path: str
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    recordings: Callable[[], Iterator[Recording]]
    size: tuple[int, int] | None = None
    channels: int = 2

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Recording]:
        """Raises DataError: a recording is damaged, empty, not in the order of time, or has impossible values."""
        for recording in self.recordings():
            check(recording)
            yield recording


def check(recording: Recording) -> None:
    """Raises DataError: no events, times that fall or lie years apart, negative or huge coordinates, a polarity that is
    not 0 or 1; names the file and the first event (counted from 0) at fault."""
    t, file = recording.t, recording.file
    if not len(t):
        raise DataError(f"{file}: no events; remove the recording or replace it by an intact copy")
    falling = t[1:] < t[:-1]
    if falling.any():
        at = int(falling.argmax()) + 1
        raise DataError(
            f"{file}: not in the order of time: event {at} is at {t[at]} us, the one before at {t[at - 1]} us; "
            "sort the events by time"
        )
    if (length := int(t[-1]) - int(t[0])) > LONGEST_US:
        raise DataError(
            f"{file}: {length:,} us from the first event to the last; allowed are up to {LONGEST_US:,}: "
            "t is in microseconds"
        )
    for name, values in (("x", recording.x), ("y", recording.y)):
        if values.min() < 0 or values.max() > LAST_PIXEL:
            at = int(((values < 0) | (values > LAST_PIXEL)).argmax())
            raise DataError(f"{file}: {name} of event {at} is {values[at]}; allowed are 0 to {LAST_PIXEL}")
    if recording.p.min() < 0 or recording.p.max() > 1:
        at = int(((recording.p < 0) | (recording.p > 1)).argmax())
        raise DataError(f"{file}: polarity of event {at} is {recording.p[at]}; allowed are 0 and 1")


def sensor_size(*sources: Source) -> tuple[int, int]:
    """(height, width) that holds every event of all sources; where a format does not say it, all its recordings are
    read for it. Raises DataError: as reading them."""
    sizes = [source.size or _largest(source) for source in sources]
    return max(height for height, _ in sizes), max(width for _, width in sizes)


def _largest(source: Source) -> tuple[int, int]:
    height = width = 0
    for recording in source:
        height, width = max(height, int(recording.y.max()) + 1), max(width, int(recording.x.max()) + 1)
    return height, width
