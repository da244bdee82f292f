"""A dataset as its loader gives it, not yet split or scaled."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from snnprune.data.events.frames import Binning


@dataclass(frozen=True)
class Samples:
    """Images [N, H, W] or [N, C, H, W] (uint8, or float32 features), or frames of events [N, T, C, H, W] (uint8
    counts), and their labels [N] (int64)."""

    images: NDArray[np.uint8] | NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class RawDataset:
    """A dataset as published. `samples` are free to be split; `test` is the official test split, if there is one;
    `scale` is the pixel value that becomes 1.0 (of frames: 1); `names` are the classes', in the order of their labels
    0..n-1; `source` says where it came from and `about` what it is, for people. Of recordings of events: `step_ms` is
    the duration of a frame, if known, and `binning` says by split (`train`, `test`) what they were and what of them is
    not in the frames."""

    name: str
    samples: Samples
    test: Samples | None
    scale: int
    names: tuple[str, ...]
    source: str
    about: str | None = None
    step_ms: float | None = None
    binning: Mapping[str, Binning] = field(default_factory=dict)


def numbered(classes: int) -> tuple[str, ...]:
    """The names of classes that have none but their numbers.

    >>> numbered(3)
    ('0', '1', '2')
    """
    return tuple(map(str, range(classes)))
