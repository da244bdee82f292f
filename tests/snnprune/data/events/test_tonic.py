"""Second opinions: tonic's readers, `Denoise` and `ToFrame`, on made-up recordings and, where SNN_DATA_DIR has them, on
real ones."""

import io
import os
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from tonic.io import make_structured_array, read_mnist_file
from tonic.transforms import Denoise, ToFrame

from snnprune.data.events.denoise import connected
from snnprune.data.events.formats import read_bin
from snnprune.data.events.frames import to_frames
from snnprune.data.events.layout import Part, open_source
from snnprune.data.events.params import FramesParams
from snnprune.data.events.source import Recording, Source
from snnprune.data.events.tree import open_tree
from tests.snnprune.data.events.recordings import as_bin, random_events, source_of

DATA = Path(os.environ.get("SNN_DATA_DIR") or "nowhere")
NMNIST, PACKED = DATA / "nmnist" / "nmnist-small.tar.xz", DATA / "nmnist" / "nmnist6789-holdout.npz"
POKER = DATA / "poker-dvs"
KIND = np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])
SETS = [
    pytest.param(NMNIST, "test", marks=pytest.mark.skipif(not NMNIST.is_file(), reason=f"no {NMNIST}")),
    pytest.param(PACKED, "test", marks=pytest.mark.skipif(not PACKED.is_file(), reason=f"no {PACKED}")),
    pytest.param(POKER, "train", marks=pytest.mark.skipif(not POKER.is_dir(), reason=f"no {POKER}")),
]


def random_recordings() -> Source:
    made = (random_events(200 + 100 * seed, seed, height=20, width=15) for seed in range(5))
    return source_of(Recording(*events, label=0, file="random", index=index) for index, events in enumerate(made))


@cache
def some(path: Path | None, part: Part) -> Source:
    """The first ten recordings that are read."""
    source = random_recordings() if path is None else open_source(path, part)
    return source_of(replace(read, label=0, index=index) for index, read in enumerate(islice(source, 10)))


def structured(recording: Recording) -> np.ndarray:
    return make_structured_array(recording.x, recording.y, recording.t, recording.p, dtype=KIND)


on_each_set = pytest.mark.parametrize(("path", "part"), [(None, "train"), *SETS])


def test_overflow_markers_are_read_as_tonic_reads_them() -> None:
    content = bytearray(as_bin(random_events(300, seed=3, height=34, width=34, last_us=100_000)))
    content[1:300:50] = bytes([240] * len(content[1:300:50]))
    expected = read_mnist_file(io.BytesIO(content), KIND, is_stream=True)
    read = read_bin(bytes(content), "a.bin")
    for name in KIND.names:
        assert getattr(read, name).tolist() == expected[name].tolist()


@pytest.mark.skipif(not NMNIST.is_file(), reason=f"no {NMNIST}")
def test_real_files_of_n_mnist_are_read_as_tonic_reads_them() -> None:
    tree = open_tree(NMNIST).at("Test")
    for name, content in tree.read(tree.files):
        expected = read_mnist_file(io.BytesIO(content), KIND, is_stream=True)
        read = read_bin(content, name)
        assert len(expected) > 500
        for column in KIND.names:
            assert np.array_equal(getattr(read, column), expected[column])


@on_each_set
@pytest.mark.parametrize("window_ms", [0.4, 3.0])
def test_denoising_keeps_the_events_that_tonic_keeps(path: Path | None, part: Part, window_ms: float) -> None:
    kept = found = 0
    for recording in some(path, part):
        expected = Denoise(filter_time=window_ms * 1000)(structured(recording))
        mask = connected(recording.t, recording.x, recording.y, window_ms * 1000)
        assert np.array_equal(structured(recording)[mask], expected)
        kept, found = kept + len(expected), found + len(recording)
    assert 0 < kept < found


@on_each_set
@pytest.mark.parametrize(("timesteps", "step_us"), [(10, 3000), (3, 700), (7, 1_000_000)])
def test_frames_of_a_window_are_tonics_of_as_long_a_time_window(
    path: Path | None, part: Part, timesteps: int, step_us: int
) -> None:
    params = FramesParams(timesteps=timesteps, window_ms=timesteps * step_us / 1000, size=[35, 36])
    frames = to_frames(some(path, part), params).frames
    for recording, ours in zip(some(path, part), frames, strict=True):
        first = int(recording.t[0])
        transform = ToFrame((36, 35, 2), time_window=step_us, start_time=first, end_time=first + timesteps * step_us)
        assert np.array_equal(ours, transform(structured(recording)))


@on_each_set
@pytest.mark.parametrize("timesteps", [1, 8, 10])
def test_frames_of_the_own_length_are_tonics_where_it_divides(path: Path | None, part: Part, timesteps: int) -> None:
    """tonic drops a remainder; so the last event is put where there is none."""
    compared = 0
    for recording in some(path, part):
        length = int(recording.t[-1] - recording.t[0]) + 1
        t = recording.t.copy()
        t[-1] += -length % timesteps
        made = Recording(t, recording.x, recording.y, recording.p, 0, recording.file, 0)
        ours = to_frames(source_of([made]), FramesParams(timesteps=timesteps, size=[35, 36])).frames[0]
        step_us = (length + -length % timesteps) // timesteps
        transform = ToFrame((36, 35, 2), time_window=step_us, end_time=int(t[-1]) + 1)
        assert np.array_equal(ours, transform(structured(made)))
        compared += 1
    assert compared >= 5


@on_each_set
@pytest.mark.parametrize("timesteps", [1, 4, 10])
def test_frames_by_count_are_tonics_where_it_divides(path: Path | None, part: Part, timesteps: int) -> None:
    for recording in some(path, part):
        count = len(recording) // timesteps * timesteps
        columns = (values[:count] for values in (recording.t, recording.x, recording.y, recording.p))
        made = Recording(*columns, label=0, file=recording.file, index=0)
        ours = to_frames(source_of([made]), FramesParams(timesteps=timesteps, by="count", size=[35, 36])).frames[0]
        assert np.array_equal(ours, ToFrame((36, 35, 2), n_event_bins=timesteps)(structured(made)))


@pytest.mark.skipif(not NMNIST.is_file(), reason=f"no {NMNIST}")
def test_the_small_n_mnist_has_a_thousand_and_a_hundred_recordings_of_ten_classes() -> None:
    train, test = (open_source(NMNIST, part) for part in ("train", "test"))
    assert (len(train), len(test), train.names == test.names, len(train.names)) == (1000, 100, True, 10)
    frames = to_frames(test, FramesParams(timesteps=10, size=[34, 34]))
    assert frames.frames.shape == (100, 10, 2, 34, 34)
    assert int(frames.frames.sum(dtype=np.int64)) == int(frames.binning.events.sum())
    assert 29 < frames.step_ms < 32


@pytest.mark.skipif(not PACKED.is_file(), reason=f"no {PACKED}")
def test_the_packed_n_mnist_has_250_recordings_of_each_of_four_classes() -> None:
    source = open_source(PACKED, "test")
    assert (source.names, source.size) == (("6", "7", "8", "9"), (34, 34))
    assert np.bincount(source.labels).tolist() == [250] * 4
    assert 3000 < np.mean([len(recording) for recording in source]) < 5000


@pytest.mark.skipif(not POKER.is_dir(), reason=f"no {POKER}")
def test_the_poker_symbols_are_48_and_20_of_four_classes() -> None:
    train, test = (open_source(POKER, part) for part in ("train", "test"))
    assert (len(train), len(test), train.names, test.names) == (48, 20, ("cl", "di", "he", "sp"), train.names)
    assert np.bincount(train.labels).tolist() == [12] * 4
