"""Isolated events are dropped; by hand (tonic's own are in test_tonic.py)."""

import numpy as np

from snnprune.data.events.denoise import connected
from snnprune.data.events.frames import to_frames
from snnprune.data.events.params import FramesParams
from tests.snnprune.data.events.recordings import recording, source_of


def test_an_event_is_kept_for_an_earlier_one_beside_it() -> None:
    t = np.array([5000, 5400, 5500, 6399, 6400, 9000])
    x = np.array([1, 1, 2, 1, 3, 3])
    y = np.array([1, 2, 3, 1, 3, 2])
    # event 0: none before. 1: below event 0, 400 us before. 2: only diagonal to 1. 3: above 1, 999 us before.
    # 4: right of 2, 900 us before. 5: above 4, but 2,600 us before.
    assert connected(t, x, y, 1000).tolist() == [False, True, False, True, True, False]
    assert connected(t, x, y, 999).tolist() == [False, True, False, False, True, False]


def test_an_event_at_the_same_pixel_connects_nothing() -> None:
    assert connected(np.array([5000, 5001]), np.array([1, 1]), np.array([1, 1]), 1000).tolist() == [False, False]


def test_frames_hold_what_is_left_and_count_what_is_not() -> None:
    made = recording([5000, 5400, 5500, 6399, 9000], x=[1, 1, 2, 1, 3], y=[1, 2, 3, 1, 2])
    frames = to_frames(source_of([made]), FramesParams(timesteps=1, denoise_ms=1))
    assert np.argwhere(frames.frames[0, 0, 0]).tolist() == [[1, 1], [2, 1]]
    assert frames.binning.isolated == 3


def test_a_recording_of_which_nothing_is_left_is_blank_and_counted() -> None:
    made = [recording([5000, 9000], x=[1, 3], y=[1, 3]), recording([5000, 5001], x=[1, 2], y=[1, 1], index=1)]
    for by in ("time", "count"):
        frames = to_frames(source_of(made), FramesParams(timesteps=2, denoise_ms=1, by=by))
        assert frames.frames.sum(axis=(1, 2, 3, 4)).tolist() == [0, 1]
        assert (frames.binning.blank, frames.binning.isolated) == (1, 3)
        assert frames.binning.durations_ms.tolist() == [4.001, 0.002]
