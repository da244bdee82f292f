"""Binning, worked by hand."""

from typing import Any

import numpy as np
import pytest

from snnprune.core.errors import DataError
from snnprune.data.events.frames import Frames, to_frames
from snnprune.data.events.params import FramesParams
from snnprune.data.events.source import Recording, Source
from tests.snnprune.data.events.recordings import random_events, recording, source_of


def frames_of(recordings: Recording | list[Recording], **params: Any) -> Frames:
    made = recordings if isinstance(recordings, list) else [recordings]
    return to_frames(source_of(made), FramesParams(**{"timesteps": 2, **params}))


def steps(frames: Frames) -> list[int]:
    """Events in each time step of the first recording."""
    return frames.frames[0].sum(axis=(1, 2, 3)).tolist()


def random_recording(count: int = 400, **change: Any) -> Recording:
    return Recording(*random_events(count, seed=1, **change), label=0, file="random", index=0)


def test_an_event_is_counted_at_its_step_polarity_row_and_column() -> None:
    made = recording([0, 1, 2, 3, 3], x=[4, 0, 2, 2, 2], y=[0, 1, 1, 1, 1], p=[1, 0, 0, 1, 1])
    frames = frames_of(made)
    expected = np.zeros((1, 2, 2, 2, 5), np.uint8)
    expected[0, 0, 1, 0, 4] = expected[0, 0, 0, 1, 0] = expected[0, 1, 0, 1, 2] = 1
    expected[0, 1, 1, 1, 2] = 2
    assert frames.frames.dtype == np.uint8
    assert np.array_equal(frames.frames, expected)
    assert (frames.labels.tolist(), frames.names) == ([0], ("a",))


def test_a_recordings_own_length_is_cut_into_equal_frames_that_lose_nothing() -> None:
    # 100 to 109 us: ten microseconds, five a frame; 104 is the last of the first.
    assert steps(frames_of(recording([100, 104, 105, 109]))) == [2, 2]
    # 0 to 9 us in three frames of 3 1/3 us: 0-3, 4-6, 7-9.
    assert steps(frames_of(recording(range(10)), timesteps=3)) == [4, 3, 3]
    assert steps(frames_of(recording([7, 7]))) == [2, 0]


@pytest.mark.parametrize("first", [0, -(10**14), 2**61])
def test_the_longest_recording_is_cut_into_the_most_frames_without_an_overflow(first: int) -> None:
    found = frames_of(recording([first, first + 10**14 // 2, first + 10**14]), timesteps=10_000).frames
    assert np.flatnonzero(found[0].sum((1, 2, 3))).tolist() == [0, 5_000 - 1, 9_999]  # the middle: 1 us is added


def test_a_window_begins_at_the_first_event_and_drops_what_comes_after() -> None:
    frames = frames_of(recording([500, 1499, 1500, 2499, 2500, 9000]), window_ms=2.0)
    assert steps(frames) == [2, 2]
    assert (frames.binning.late, frames.step_ms) == (2, 1.0)
    assert steps(frames_of(recording([0, 333, 334, 666, 667, 1000]), timesteps=3, window_ms=1)) == [2, 2, 1]
    assert steps(frames_of(recording([0, 10]), window_ms=100)) == [2, 0]


def test_by_count_frames_differ_by_one_event_at_most() -> None:
    assert steps(frames_of(recording([0, 1, 2, 1000, 1001, 9999]), by="count")) == [3, 3]
    assert steps(frames_of(recording(range(11)), by="count", timesteps=4)) == [3, 3, 3, 2]
    assert steps(frames_of(recording([0, 1]), by="count", timesteps=4)) == [1, 0, 1, 0]


@pytest.mark.parametrize("by", ["time", "count"])
def test_a_frames_length_is_the_mean_of_the_recordings(by: str) -> None:
    frames = frames_of([recording([0, 999]), recording([50, 3049], index=1)], by=by, timesteps=4)
    assert frames.binning.durations_ms.tolist() == [1.0, 3.0]
    assert frames.binning.events.tolist() == [2, 2]
    assert frames.step_ms == 0.5


def test_a_crop_is_cut_out_by_row_and_column() -> None:
    made = recording([0, 1, 2, 3], x=[0, 3, 4, 2], y=[0, 1, 1, 3])
    frames = frames_of(made, crop=[1, 2, 3, 2], timesteps=1)
    assert frames.frames.shape == (1, 1, 2, 3, 2)
    assert np.argwhere(frames.frames[0, 0, 0]).tolist() == [[0, 1], [2, 0]]
    assert frames.binning.outside == 2


def test_time_is_the_recordings_own_also_after_a_crop() -> None:
    made = recording([0, 60, 70, 99], x=[0, 1, 1, 0])
    frames = frames_of(made, crop=[0, 1, 1, 1])
    assert steps(frames) == [0, 2]
    assert frames.step_ms == 0.05


def test_downsampling_sums_pixels_also_at_the_edge() -> None:
    frames = frames_of(random_recording(height=6, width=5), downsample=2).frames[0]
    full = frames_of(random_recording(height=6, width=5)).frames[0]
    padded = np.pad(full, ((0, 0), (0, 0), (0, 0), (0, 1)))
    assert frames.shape == (2, 2, 3, 3)
    assert np.array_equal(frames, padded.reshape(2, 2, 3, 2, 3, 2).sum(axis=(3, 5)))


def test_merged_polarities_are_the_sum_of_the_channels() -> None:
    merged, both = frames_of(random_recording(), polarity=False).frames, frames_of(random_recording()).frames
    assert merged.shape == (1, 2, 1, 6, 5)
    assert np.array_equal(merged[:, :, 0], both.sum(axis=2))


def test_counts_end_at_255_and_say_how_many_were_cut_off() -> None:
    frames = frames_of(recording([0] * 255 + [1] * 256 + [2] * 1000, x=[0] * 255 + [1] * 1256), timesteps=1)
    assert frames.frames[0, 0, 0].tolist() == [[255, 255]]
    assert frames.binning.saturated == 1


def test_bits_are_1_where_there_was_an_event() -> None:
    bits, counts = frames_of(random_recording(), values="bits"), frames_of(random_recording())
    assert counts.frames.max() > 1
    assert np.array_equal(bits.frames, counts.frames > 0)
    assert bits.binning.saturated == 0


def test_the_sensor_is_as_large_as_the_largest_coordinates_or_as_it_is_said() -> None:
    made = [recording([0], x=3, y=1), recording([0], x=0, y=7, index=1)]
    assert frames_of(made).frames.shape == (2, 2, 2, 8, 4)
    assert frames_of(made, size=[34, 35]).frames.shape == (2, 2, 2, 34, 35)


def test_an_events_type_of_coordinates_does_not_matter() -> None:
    events = random_events(300, seed=2, height=6, width=5)
    small = Recording(events.t, *(column.astype(np.uint8) for column in events[1:]), label=0, file="small", index=0)
    wide = Recording(*events, label=0, file="wide", index=0)
    assert np.array_equal(frames_of(small).frames, frames_of(wide).frames)


def test_recordings_are_put_in_their_place_whatever_the_order_they_are_read_in() -> None:
    made = [recording([0] * (index + 1), index=index) for index in range(3)]
    labels = np.array([0, 1, 1])
    source = Source("made-up", ("a", "b"), labels, lambda: iter([made[2], made[0], made[1]]))
    frames = to_frames(source, FramesParams(timesteps=1))
    assert frames.frames.ravel().tolist() == [1, 0, 2, 0, 3, 0]
    assert frames.binning.events.tolist() == [1, 2, 3]
    assert (frames.labels.tolist(), frames.names) == ([0, 1, 1], ("a", "b"))


def test_bins_that_do_not_fit_into_memory_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "bincount", full)
    with pytest.raises(DataError, match=r"^made-up: 1 recordings as frames \[1, 2, 1, 1\] need 0 GB, more than can be"):
        frames_of(recording([0, 1]), timesteps=1)


def test_progress_is_said_after_each_recording() -> None:
    said: list[tuple[int, int]] = []
    made = [recording([0], index=index) for index in range(3)]
    to_frames(source_of(made), FramesParams(timesteps=1), lambda done, count: said.append((done, count)))
    assert said == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"size": [4, 9]},
            "made-up[0]: y of event 1 is 4, outside the sensor of 4 x 9 (height x width); allowed are 0 t",
        ),
        (
            {"size": [9, 6]},
            "made-up[0]: x of event 2 is 6, outside the sensor of 9 x 6 (height x width); allowed are 0 t",
        ),
        ({"crop": [0, 0, 6, 1]}, "made-up: crop: [0, 0, 6, 1] reaches beyond the sensor of 5 x 7 (height x width)"),
        (
            {"size": [1_000_000, 1_000_000], "timesteps": 10_000},
            "made-up: 1 recordings as frames [10000, 2, 1000000, 1000000] need 20,000,000 GB, more than",
        ),
    ],
)
def test_what_does_not_fit_is_an_error(params: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        frames_of(recording([0, 1, 2], x=[0, 0, 6], y=[3, 4, 0]), **params)
    assert str(caught.value).startswith(message)
