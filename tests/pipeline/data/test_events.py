"""A user's own events and the named sets as frames: labels and names, sizes, the split, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.datasets import DATASETS, is_events, load, registered
from pipeline.data.event_sets import EventSet, event_sets
from pipeline.data.events import how_made, load_event_set, losses
from pipeline.data.raw import RawDataset
from pipeline.data.splits import split_dataset
from snnprune.core.errors import DataError
from snnprune.data.events.frames import Binning
from snnprune.data.events.params import FramesParams
from tests.snnprune.data.events.recordings import (
    as_bin,
    as_npy,
    packed_arrays,
    random_events,
    rows,
    write_archive,
    write_folder,
)

FOUR = FramesParams(timesteps=4)


def write_own(folder: Path, classes: tuple[str, ...], test: tuple[str, ...], each: int = 6) -> Path:
    """Recordings `train/<class>/<number>.bin`, of 10, 11, 12, ... events in the order of classes, and `test/...`."""
    files = {}
    for part, names in (("train", classes), ("test", test)):
        for number, name in enumerate(name for name in names for _ in range(each)):
            files[f"{part}/{name}/{number}.bin"] = as_bin(random_events(10 + number, seed=number))
    return write_folder(folder, files)


def own(path: str, params: FramesParams = FOUR, with_test: bool = True) -> RawDataset:
    return load(f"events:{path}", {}, with_test, params)


def test_classes_keep_their_names_and_labels_count_from_0_in_both_splits(project: Path) -> None:
    write_own(project / "deep" / "mine", ("wave", "10", "9"), test=("wave", "10"), each=2)
    raw = own("deep/mine")
    assert (raw.name, raw.names, raw.scale, raw.source) == ("events:mine", ("9", "10", "wave"), 1, "deep/mine")
    assert raw.samples.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert raw.test is not None
    assert raw.test.labels.tolist() == [1, 1, 2, 2]
    # The first two recordings were written for `wave`, and so on: each kept its own events.
    assert raw.samples.images.sum(axis=(1, 2, 3, 4)).tolist() == [14, 15, 12, 13, 10, 11]
    assert (raw.samples.images.dtype, raw.samples.images.shape) == (np.uint8, (6, 4, 2, 6, 5))


def test_both_splits_have_the_size_of_the_larger(project: Path) -> None:
    write_own(project / "mine", ("a", "b"), test=("a",), each=1)
    (project / "mine/test/a/0.bin").write_bytes(as_bin(random_events(50, seed=3, height=9, width=8)))
    raw = own("mine")
    assert raw.samples.images.shape[1:] == raw.test.images.shape[1:] == (4, 2, 9, 8)
    with pytest.raises(DataError, match=r"mine/test/a/0.bin: y of event \d+ is [678], outside the sensor of 6 x 8"):
        own("mine", FramesParams(timesteps=4, size=[6, 8]))


def test_a_step_is_as_long_as_the_training_recordings_are_on_average(project: Path) -> None:
    write_own(project / "mine", ("a", "b"), test=("a",))
    assert own("mine").step_ms == pytest.approx(40.001 / 4)
    assert own("mine", FramesParams(timesteps=4, window_ms=20.0)).step_ms == 5.0


def test_a_class_that_only_the_test_split_has_is_named(project: Path) -> None:
    write_own(project / "mine", ("a", "b"), test=("a", "wave"))
    with pytest.raises(DataError, match=r"no samples to train on of class wave; .*test: a \(6\), wave \(6\)"):
        split_dataset(own("mine"), 0.2, None, seed=0)


def test_a_split_is_in_memory_once(project: Path) -> None:
    write_own(project / "mine", ("a", "b"), test=("a", "b"))
    raw = own("mine")
    events = dict(zip(range(12), raw.samples.labels.tolist(), strict=True))
    parts = split_dataset(raw, 4, None, seed=0)
    assert all(np.shares_memory(part.images, raw.samples.images) for part in (parts.train, parts.validation))
    for part in (parts.train, parts.validation):
        assert part.labels.tolist() == [events[count - 10] for count in part.images.sum(axis=(1, 2, 3, 4)).tolist()]


@pytest.mark.parametrize(
    ("test", "with_test", "message"),
    [
        (("a",), False, "mine: has its own test split; remove the parameter test"),
        ((), True, "mine: has no test split; give the parameter test, a share"),
    ],
)
def test_the_parameter_test_must_fit_the_folder(project: Path, test: tuple, with_test: bool, message: str) -> None:
    write_own(project / "mine", ("a", "b"), test)
    with pytest.raises(DataError, match=f"^{message}"):
        own("mine", with_test=with_test)
    assert (own("mine", with_test=not with_test).test is None) == (not test)


def test_a_damaged_recording_is_named(project: Path) -> None:
    write_own(project / "mine", ("a", "b"), ())
    (project / "mine/train/b/7.bin").write_bytes(b"1234567")
    with pytest.raises(DataError, match="^mine/train/b/7.bin: truncated: 7 bytes"):
        own("mine", with_test=False)


def test_what_is_not_there_is_named(project: Path) -> None:
    with pytest.raises(DataError, match="^nowhere: no such folder or file; correct the dataset events:nowhere"):
        own("nowhere")


# Frames that were made elsewhere


def write_ready(path: Path) -> np.ndarray:
    frames = np.random.default_rng(0).integers(0, 3, (8, 4, 5, 3))
    np.savez(path, frames=frames.astype(np.float32), labels=np.arange(8) % 2 + 3)
    return frames


def test_frames_made_elsewhere_are_taken_as_they_are(project: Path) -> None:
    frames = write_ready(project / "ready.npz")
    raw = own("ready.npz", with_test=False)
    assert (raw.name, raw.names, raw.step_ms) == ("events:ready.npz", ("3", "4"), None)
    assert raw.samples.images.dtype == np.uint8
    assert np.array_equal(raw.samples.images, frames[:, :, None])
    assert raw.samples.labels.tolist() == [0, 1] * 4


@pytest.mark.parametrize(
    ("params", "with_test", "message"),
    [
        ({"timesteps": 5}, False, r"frames of 4 steps; set events.timesteps to 4 \(found 5\)"),
        ({"timesteps": 4, "crop": [0, 0, 2, 2]}, False, "take events.timesteps alone; remove crop"),
        ({"timesteps": 4}, True, "has no test split; give the parameter test"),
    ],
)
def test_options_that_need_recordings_are_refused(project: Path, params: dict, with_test: bool, message: str) -> None:
    write_ready(project / "ready.npz")
    with pytest.raises(DataError, match=f"^ready.npz: .*{message}"):
        own("ready.npz", FramesParams(**params), with_test)


# Named sets


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("nmnist_6789", "nmnist-6789"),
        ("poker-dvs", "pokerdvs"),
        ("fashion-mnist", "fashion_mnist"),
        ("NMNIST", "nmnist"),
        ("nmnis", None),
        ("events:nmnist", None),
    ],
)
def test_dashes_and_underscores_in_names_are_the_same(spelled: str, name: str | None) -> None:
    assert registered(spelled) == name


def test_which_sets_are_events() -> None:
    assert {name for name in DATASETS if is_events(name)} == set(event_sets())
    assert is_events("events:mine") and is_events("poker_dvs")
    assert not (is_events("idx:mine") or is_events("digits") or is_events("nothing"))


def small(name: str, train: int, test: int) -> EventSet:
    """A named set with fewer recordings, and no digests."""
    known = event_sets()[name]
    counts = {"train": train, "test": test}
    return replace(known, parts={part: replace(known.parts[part], count=counts[part], pins={}) for part in counts})


@pytest.mark.parametrize("ending", ["", ".zip"])
def test_a_named_set_has_its_sensors_size_and_its_test_split(project: Path, ending: str) -> None:
    folder = project / "data/raw/n-mnist"
    for part in ("Train", "Test"):  # two of each of two digits, which see few pixels
        files = {f"{part}/{digit}/{n}.bin": as_bin(random_events(9, seed=n)) for digit in (3, 11) for n in (1, 2)}
        if ending:
            write_archive(folder / f"{part}{ending}", files)
        else:
            write_folder(folder, files)
    raw = load_event_set(small("nmnist", 4, 4), FOUR)
    assert (raw.name, raw.names, raw.test.labels.tolist()) == ("nmnist", ("3", "11"), [0, 0, 1, 1])
    assert raw.samples.images.shape == (4, 4, 2, 34, 34)
    with pytest.raises(
        DataError, match=f"n-mnist/Test{ending}: 4 recordings, expected 5, the test split of nmnist; for a part"
    ):
        load_event_set(small("nmnist", 4, 5), FOUR)


def test_gestures_have_their_names(project: Path) -> None:
    folder = project / "data/raw/dvsgesture"
    content = as_npy(rows(random_events(20, seed=0))[:, [1, 2, 3, 0]])  # tonic's order: x, y, p, t
    files = {f"ibmGesture{part}/user01_led/{label}.npy": content for part in ("Train", "Test") for label in (0, 2, 10)}
    write_folder(folder, files)
    raw = load_event_set(small("dvsgesture", 3, 3), FOUR)
    assert raw.names == ("Hand clapping", "Left hand wave", "Other gestures")


def test_6789_says_where_its_test_recordings_come_from(project: Path) -> None:
    folder = project / "data/raw/nmnist"
    folder.mkdir(parents=True)
    for part in ("train", "holdout"):
        arrays = packed_arrays([random_events(30, seed=n) for n in range(4)], [6, 7, 8, 9])
        np.savez(folder / f"nmnist6789-{part}.npz", **arrays)
    raw = load_event_set(small("nmnist-6789", 4, 4), FOUR)
    assert raw.names == ("6", "7", "8", "9")
    assert "both from N-MNIST's Train files" in raw.about


@pytest.mark.parametrize(
    ("params", "has_test", "words"),
    [
        ({}, True, "4 frames of 10 ms on average, counts of events; test: a split of its own"),
        (
            {"window_ms": 20.0, "values": "bits"},
            True,
            "4 frames of 5 ms, bits, 1 where there was an event; test: a split",
        ),
        (
            {"by": "count"},
            False,
            "4 frames of equal numbers of events, of 10 ms on average, counts of events; test: spl",
        ),
    ],
)
def test_what_a_frame_is_and_where_the_test_samples_come_from_is_said(
    project: Path, params: dict, has_test: bool, words: str
) -> None:
    write_own(project / "mine", ("a", "b"), test=("a", "b") if has_test else ())
    made = FramesParams(timesteps=4, **params)
    assert how_made(own("mine", made, with_test=has_test), made).startswith(words)


def test_of_frames_made_elsewhere_is_said_that_they_are(project: Path) -> None:
    np.savez("ready.npz", frames=np.arange(96).reshape(12, 4, 2) % 3, labels=np.arange(12) % 2)
    said = how_made(own("ready.npz", with_test=False), FOUR)
    assert said == "4 frames, made elsewhere; test: split off the same recordings"


def test_what_was_lost_is_said_in_words() -> None:
    binning = Binning(np.ones(1), np.ones(1), late=1200, outside=0, isolated=3, saturated=0, blank=0)
    assert losses(binning) == "1,200 events after the window, 3 isolated events"
    assert losses(replace(binning, late=0, isolated=0)) == "nothing lost"
