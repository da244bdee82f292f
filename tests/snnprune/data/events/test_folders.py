"""What a split may hold: class folders, DVS Gesture's folders, one packed file."""

from pathlib import Path

import numpy as np
import pytest

from snnprune.core.errors import DataError
from snnprune.data.events.folders import open_tree_of_split
from snnprune.data.events.tree import open_tree
from tests.snnprune.data.events.recordings import as_bin, as_npy, random_events, rows, write_archive, write_folder

EVENTS = random_events(5, seed=0)
BIN, NPY = as_bin(EVENTS), as_npy(rows(EVENTS))


def test_classes_are_sorted_as_numbers_and_recordings_by_name(tmp_path: Path) -> None:
    files = {"10/b.bin": BIN, "9/z.npy": NPY, "9/a.bin": BIN, "9/notes.txt": b"no recording"}
    source = open_tree_of_split(open_tree(write_folder(tmp_path, files)))
    assert (source.names, source.labels.tolist(), source.path) == (("9", "10"), [0, 0, 1], str(tmp_path))
    read = sorted(source, key=lambda recording: recording.index)
    assert [recording.file for recording in read] == [
        f"{tmp_path}/{name}" for name in ("9/a.bin", "9/z.npy", "10/b.bin")
    ]
    assert all(recording.t.tolist() == EVENTS.t.tolist() for recording in read)


def test_a_class_of_dvs_gesture_is_its_files_name(tmp_path: Path) -> None:
    first, second = (as_npy([[5, 6, 1, millisecond]]) for millisecond in (2, 3))
    files = {"user02_led/0.npy": second, "user01_fluorescent/10.npy": first, "user01_fluorescent/0.npy": first}
    source = open_tree_of_split(open_tree(write_archive(tmp_path / "ibmGestureTrain.tar.gz", files)))
    assert (source.names, source.labels.tolist()) == (("0", "10"), [0, 0, 1])
    read = {recording.file.split(": ")[1]: recording for recording in source}
    assert {name: (recording.label, recording.index) for name, recording in read.items()} == {
        "user01_fluorescent/0.npy": (0, 0),
        "user02_led/0.npy": (0, 1),
        "user01_fluorescent/10.npy": (1, 2),
    }
    event = read["user02_led/0.npy"]
    assert (event.t.tolist(), event.x.tolist(), event.y.tolist(), event.p.tolist()) == ([3000], [5], [6], [1])


def test_a_damaged_recording_is_named_with_its_place_in_the_archive(tmp_path: Path) -> None:
    source = open_tree_of_split(open_tree(write_archive(tmp_path / "a.zip", {"N/Train/3/7.bin": BIN[:-1]})))
    with pytest.raises(DataError, match=r"a.zip: N/Train/3/7.bin: truncated: 24 bytes"):
        list(source)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"a/1.bin": BIN, "b/1.txt": b"", "b/c/1.bin": BIN},
            "/b: no recordings; expected .bin or .npy files in each class",
        ),
        (
            {"a/1.bin": BIN, "b/1.bin": BIN, "b/c/2.bin": BIN},
            ": expected recordings in each class's folder itself; found b/c/2.bin",
        ),
        ({"1.bin": BIN, "2.bin": BIN}, ": expected one folder per class; found recordings without: 1.bin, 2.bin"),
        ({"1.txt": b""}, ": no recordings; expected one folder per class; found 1.txt"),
        ({"a.npz": b"", "b.h5": b""}, ": expected one packed file, or class folders; found a.npz, b.h5"),
        ({"a.npz": b"", "b/1.bin": BIN}, ": expected one packed file, or class folders; found a.npz, b"),
    ],
)
def test_what_is_not_understood_is_an_error(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    with pytest.raises(DataError) as caught:
        open_tree_of_split(open_tree(write_folder(tmp_path, files)))
    assert str(caught.value).startswith(f"{tmp_path}{message}")


def test_an_empty_class_folder_is_an_error(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a/1.bin": BIN})
    (tmp_path / "b").mkdir()
    with pytest.raises(DataError, match=r"/b: no recordings; .*; found nothing$"):
        open_tree_of_split(open_tree(tmp_path))


def test_a_hidden_folder_is_no_class(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a/1.bin": BIN})
    (tmp_path / ".ipynb_checkpoints").mkdir()
    assert open_tree_of_split(open_tree(tmp_path)).names == ("a",)


def test_a_folder_in_which_one_folder_holds_them_all_is_passed_through(tmp_path: Path) -> None:
    write_folder(tmp_path, {"outer/inner/a/1.bin": BIN})
    source = open_tree_of_split(open_tree(tmp_path))
    assert (source.names, np.bincount(source.labels).tolist()) == (("a",), [1])
