"""SHD's HDF5 layout, on a file of the same structure that the test writes."""

import gzip
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from snnprune.core.errors import DataError
from snnprune.data.events.frames import to_frames
from snnprune.data.events.hdf5 import open_hdf5
from snnprune.data.events.layout import open_source
from snnprune.data.events.params import FramesParams
from tests.snnprune.data.events.recordings import write_archive

TIMES = [[0.0, 0.25, 0.5, 0.75], [0.125, 0.5]]
UNITS = [[0, 699, 3, 3], [350, 350]]
KEYS = ["zero", "one", "null"]


def write(path: Path, times: Any = TIMES, units: Any = UNITS, labels: Any = (2, 0), keys: Any = KEYS) -> Path:
    """As SHD is published: float16 seconds and uint16 units of varying length, uint16 labels, names as bytes."""
    with h5py.File(path, "w") as file:
        for name, values, kind in (("times", times, np.float16), ("units", units, np.uint16)):
            if values is None:
                continue
            stored = file.create_dataset(f"spikes/{name}", (len(values),), dtype=h5py.vlen_dtype(kind))
            for index, value in enumerate(values):
                stored[index] = np.array(value, kind)
        file["labels"] = np.array(labels) if isinstance(labels[0], float) else np.array(labels, np.uint16)
        if keys:
            file["extra/keys"] = np.array(keys, "S")
            file["extra/speaker"] = np.zeros(len(labels), np.uint16)
    return path


def test_seconds_become_microseconds_and_a_unit_is_x(tmp_path: Path) -> None:
    source = open_hdf5(write(tmp_path / "shd_train.h5"), "shd")
    assert (source.names, source.labels.tolist()) == (("zero", "one", "null"), [2, 0])
    assert (source.size, source.channels, len(source)) == ((1, 700), 1, 2)
    first, second = source
    assert first.t.tolist() == [0, 250_000, 500_000, 750_000]
    assert (first.x.tolist(), first.y.tolist(), first.p.tolist()) == ([0, 699, 3, 3], [0] * 4, [0] * 4)
    assert (second.label, second.index, second.file, second.x.tolist()) == (0, 1, "shd[1]", [350, 350])


def test_its_frames_are_one_row_of_700_in_one_channel(tmp_path: Path) -> None:
    frames = to_frames(open_hdf5(write(tmp_path / "shd.h5"), "shd"), FramesParams(timesteps=4, window_ms=1000))
    assert frames.frames.shape == (2, 4, 1, 1, 700)
    assert np.argwhere(frames.frames[0, :, 0, 0]).tolist() == [[0, 0], [1, 699], [2, 3], [3, 3]]
    assert np.argwhere(frames.frames[1, :, 0, 0]).tolist() == [[0, 350], [1, 350]]
    assert frames.step_ms == 250


def test_time_is_the_float16_rounded_down_to_a_microsecond(tmp_path: Path) -> None:
    (first,) = open_hdf5(write(tmp_path / "shd.h5", [[0.1, 1.3]], [[0, 1]], [0]), "shd")
    assert first.t.tolist() == [int(np.float64(np.float16(second)) * 1e6) for second in (0.1, 1.3)]


def test_spikes_are_sorted_by_time(tmp_path: Path) -> None:
    (first,) = open_hdf5(write(tmp_path / "shd.h5", [[0.5, 0.25, 0.5]], [[7, 8, 9]], [0]), "shd")
    assert (first.t.tolist(), first.x.tolist()) == ([250_000, 500_000, 500_000], [8, 7, 9])


def test_without_keys_the_classes_are_named_by_their_numbers(tmp_path: Path) -> None:
    source = open_hdf5(write(tmp_path / "shd.h5", labels=[12, 5], keys=None), "shd")
    assert (source.names, source.labels.tolist()) == (("5", "12"), [1, 0])


@pytest.mark.parametrize("name", ["shd_train.h5", "shd_train.h5.gz", "shd_train.h5.zip"])
def test_it_is_found_plain_and_as_it_is_published(tmp_path: Path, name: str) -> None:
    content = write(tmp_path / "plain.h5").read_bytes()
    (tmp_path / "plain.h5").unlink()
    if name.endswith(".zip"):
        write_archive(tmp_path / name, {"shd_train.h5": content})
    else:
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    for path in (tmp_path, tmp_path / name):
        assert [len(recording) for recording in open_source(path, "train")] == [4, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"units": None}, "shd: spikes/units missing; expected spikes/times, spikes/units, labels"),
        ({"labels": [0]}, "shd: expected arrays of equal length; found spikes/times 2, spikes/units 2, labels 1"),
        ({"labels": [0, 3]}, "shd: labels 0 to 3, but extra/keys names 3 classes; expected 0 to 2"),
        ({"keys": ["one", "two", "one"]}, "shd: extra/keys names one 2 times; expected each class once"),
        ({"labels": [0.5, 1.0]}, "shd: labels: expected whole numbers [N]"),
    ],
)
def test_arrays_that_do_not_fit_are_an_error(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        open_hdf5(write(tmp_path / "shd.h5", **change), "shd")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"units": [[0, 1, 2], [0, 0]]}, "shd[0]: 4 times, but 3 units; expected one a spike"),
        ({"times": [[0, 1, 2, np.nan], [0, 1]]}, "shd[0]: expected finite times"),
        ({"times": [[0, 1, 2, 3], []], "units": [[0, 1, 2, 3], []]}, "shd[1]: no events"),
        ({"units": [[0, 1, 2, 700], [0, 0]]}, "shd[0]: x of event 3 is 700, outside the sensor of 1 x 700"),
    ],
)
def test_a_wrong_recording_is_an_error_with_its_number(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    source = open_hdf5(write(tmp_path / "shd.h5", **change), "shd")
    with pytest.raises(DataError) as caught:
        to_frames(source, FramesParams(timesteps=2))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("content", [b"", b"no HDF5 at all"])
def test_a_damaged_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "shd_train.h5").write_bytes(content)
    with pytest.raises(DataError, match=r"shd_train.h5: not a readable HDF5 file"):
        open_source(tmp_path, "train")


def test_a_damaged_gzip_file_is_an_error(tmp_path: Path) -> None:
    content = gzip.compress(write(tmp_path / "plain.h5").read_bytes())
    (tmp_path / "shd_train.h5.gz").write_bytes(content[:-20])
    with pytest.raises(DataError, match=r"shd_train.h5.gz: damaged gzip file"):
        open_source(tmp_path, "train")
