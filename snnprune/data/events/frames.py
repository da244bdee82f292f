"""Recordings binned into frames [N, T, C, H, W]."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snnprune.core.errors import DataError
from snnprune.data.events.params import FramesParams
from snnprune.data.events.source import Recording, Source, sensor_size

MOST = 255  # of uint8


@dataclass(frozen=True)
class Binning:
    """What the recordings were and what was lost. events, durations_ms [N]: of each recording as it was found; late,
    outside, isolated: events dropped after the window, by the crop and by denoising; saturated: values cut off at 255;
    blank: recordings of which no event was left."""

    events: NDArray[np.int64]
    durations_ms: NDArray[np.float64]
    late: int
    outside: int
    isolated: int
    saturated: int
    blank: int


@dataclass(frozen=True)
class Frames:
    """A split as frames.

    frames: uint8 [N, T, C, H, W], events in a bin (or 0 and 1). labels: int64 [N], 0..len(names)-1. names: of the
    classes. step_ms: milliseconds of a frame; the mean over the recordings where they differ; None: not known.
    binning: None for frames that were made elsewhere.
    """

    frames: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    step_ms: float | None
    binning: Binning | None = None


def to_frames(source: Source, params: FramesParams, progress: Callable[[int, int], None] | None = None) -> Frames:
    """The frames of all recordings of a split; `progress(done, all)` is called after each.

    Memory: N T C H W bytes, one recording, and its bins at eight bytes. 60,000 recordings of 34 x 34 pixels with two
    polarities in ten frames, uint8 [60000, 10, 2, 34, 34], are 1.39 GB; counts and bits take the same.

    Time runs from a recording's first event to its last, before anything is dropped. By time, an event at t goes into
    frame floor((t - first) T / length), length being the window or last - first + 1 us; by count, the k-th of n events
    goes into frame floor(k T / n).

    Raises DataError: a recording is damaged, empty, unsorted, or outside the sensor's size; the crop reaches beyond it.
    """
    size = (params.size[0], params.size[1]) if params.size else sensor_size(source)
    try:
        shape, box = params.shape(size, source.channels), params.box(size)
    except ValueError as error:
        raise DataError(f"{source.path}: {error}") from error
    frames = _reserve(len(source), shape, source.path)
    events, durations = np.zeros(len(source), np.int64), np.zeros(len(source))
    late = outside = isolated = saturated = blank = 0
    for done, recording in enumerate(source, start=1):
        events[recording.index], durations[recording.index] = len(recording), recording.duration_ms
        _require_inside(recording, size)
        chosen = _choose(recording, params, box)
        try:
            counts = count_events(recording, chosen.kept, params, shape, box)
        except MemoryError as error:
            raise _too_large(len(source), shape, source.path) from error
        if params.values == "counts":
            saturated += int((counts > MOST).sum())
        np.minimum(counts, MOST if params.values == "counts" else 1, out=counts)
        frames[recording.index] = counts
        late, outside, isolated = late + chosen.late, outside + chosen.outside, isolated + chosen.isolated
        blank += not len(chosen.kept)
        if progress:
            progress(done, len(source))
    length_ms = durations.mean() if params.window_ms is None else params.window_ms
    binning = Binning(events, durations, late, outside, isolated, saturated, blank)
    return Frames(frames, source.labels, source.names, float(length_ms / params.timesteps), binning)


def _reserve(recordings: int, shape: tuple[int, int, int, int], path: str) -> NDArray[np.uint8]:
    try:
        return np.zeros((recordings, *shape), np.uint8)
    except (MemoryError, ValueError) as error:  # ValueError: more than an array can address
        raise _too_large(recordings, shape, path) from error


def _too_large(recordings: int, shape: tuple[int, int, int, int], path: str) -> DataError:
    size_gb = recordings * math.prod(shape) / 1e9
    return DataError(
        f"{path}: {recordings} recordings as frames {list(shape)} need {size_gb:,.0f} GB, more than can be had; "
        "take fewer timesteps, crop, downsample, or give the sensor's size if a coordinate is wrong"
    )


@dataclass(frozen=True)
class _Chosen:
    kept: NDArray[np.int64]  # indices of the events that are binned
    late: int
    outside: int
    isolated: int


def _choose(recording: Recording, params: FramesParams, box: tuple[int, int, int, int]) -> _Chosen:
    """Denoise, crop, and drop what comes after the window, in this order."""
    kept = np.arange(len(recording))
    if params.denoise_ms:
        from snnprune.data.events.denoise import connected  # numba is imported where it is used

        kept = kept[connected(recording.t, recording.x, recording.y, params.denoise_ms * 1000)]
    isolated = len(recording) - len(kept)
    found = len(kept)
    if params.crop:
        top, left, height, width = box
        x, y = recording.x[kept], recording.y[kept]
        kept = kept[(x >= left) & (x < left + width) & (y >= top) & (y < top + height)]
    outside, found = found - len(kept), len(kept)
    if params.window_ms is not None:
        kept = kept[recording.t[kept] - recording.t[0] < params.window_ms * 1000]
    return _Chosen(kept, found - len(kept), outside, isolated)


def count_events(
    recording: Recording,
    kept: NDArray[np.int64],
    params: FramesParams,
    shape: tuple[int, int, int, int],
    box: tuple[int, int, int, int],
) -> NDArray[np.int64]:
    """Events in each bin, [T, C, H, W], of those at the indices `kept`."""
    timesteps, channels, height, width = shape
    if params.by == "count":
        step = np.arange(len(kept)) * timesteps // max(len(kept), 1)
    else:
        since = (recording.t[kept] - recording.t[0]) * timesteps
        length = int(recording.t[-1] - recording.t[0]) + 1 if params.window_ms is None else params.window_ms * 1000
        step = (since // length).astype(np.int64)
    y = (recording.y[kept].astype(np.int64) - box[0]) // params.downsample
    x = (recording.x[kept].astype(np.int64) - box[1]) // params.downsample
    place = step if channels == 1 else step * channels + recording.p[kept]
    place = (place * height + y) * width + x
    return np.bincount(place, minlength=timesteps * channels * height * width).reshape(shape)


def _require_inside(recording: Recording, size: tuple[int, int]) -> None:
    for name, values, limit in (("y", recording.y, size[0]), ("x", recording.x, size[1])):
        if values.max() >= limit:
            at = int((values >= limit).argmax())
            raise DataError(
                f"{recording.file}: {name} of event {at} is {values[at]}, outside the sensor of {size[0]} x {size[1]} "
                f"(height x width); allowed are 0 to {limit - 1}"
            )
