"""Where the recordings of a split may lie, and what is said when they are not found."""

import errno
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from snnprune.core.errors import DataError
from snnprune.data.events.layout import Part, has_part, open_source
from tests.snnprune.data.events.recordings import as_bin, packed_arrays, random_events, write_archive, write_folder

EVENTS = [random_events(count, seed=count) for count in (5, 6, 7)]
FIRST, SECOND, THIRD = map(as_bin, EVENTS)
CLASSES = {"9/2.bin": SECOND, "10/1.bin": THIRD, "9/1.bin": FIRST}


def under(folder: str, files: dict[str, bytes] = CLASSES) -> dict[str, bytes]:
    return {f"{folder}/{name}": content for name, content in files.items()}


def found(path: Path, part: Part) -> list[int]:
    """The numbers of events of the recordings, in the order of the labels."""
    source = open_source(path, part)
    lengths = {recording.index: len(recording) for recording in source}
    return [lengths[index] for index in range(len(source))]


def write_packed(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        np.savez(file, **packed_arrays(EVENTS, [9, 9, 10]))
    return path


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("train", "train"),
        ("train", "Train"),
        ("train", "pips_train"),
        ("train", "pips-train"),
        ("train", "ibmGestureTrain"),
        ("test", "test"),
        ("test", "Test"),
        ("test", "pips_test"),
        ("test", "pips-test"),
        ("test", "ibmGestureTest"),
        ("test", "nmnist6789-holdout"),
    ],
)
def test_a_split_is_found_by_its_name(tmp_path: Path, part: Part, name: str) -> None:
    write_folder(tmp_path / "folder", under(name))
    write_archive(tmp_path / "wrapped" / f"{name}.tar.gz", under(name))
    write_archive(tmp_path / "bare" / f"{name}.zip", CLASSES)
    write_packed(tmp_path / "packed" / f"{name}.npz")
    other: Part = "test" if part == "train" else "train"
    for kind in ("folder", "wrapped", "bare", "packed"):
        assert has_part(tmp_path / kind, part)
        assert not has_part(tmp_path / kind, other)
        assert found(tmp_path / kind, part) == [5, 6, 7]


@pytest.mark.parametrize("name", ["strain", "training-log", "contest", "testing"])
def test_other_names_are_no_split(tmp_path: Path, name: str) -> None:
    write_folder(tmp_path, under(name) | under("other"))
    assert not has_part(tmp_path, "train")
    assert not has_part(tmp_path, "test")


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".tar.xz", ".tar.bz2", ".zip"])
@pytest.mark.parametrize("wrapper", ["", "N-MNIST/"])
def test_one_archive_may_hold_both(tmp_path: Path, ending: str, wrapper: str) -> None:
    files = under(f"{wrapper}Train") | under(f"{wrapper}Test", {"9/4.bin": SECOND})
    path = write_archive(tmp_path / f"n-mnist{ending}", files)
    for place in (path, tmp_path):
        assert (found(place, "train"), found(place, "test")) == ([5, 6, 7], [6])


def test_a_folder_and_an_archive_of_it_give_the_same_recordings(tmp_path: Path) -> None:
    folder = open_source(write_folder(tmp_path / "a", under("Train")), "train")
    archive = open_source(write_archive(tmp_path / "b" / "Train.tar", under("Train")), "train")
    assert folder.names == archive.names == ("9", "10")
    assert folder.labels.tolist() == archive.labels.tolist() == [0, 0, 1]
    by_index = {recording.index: recording for recording in archive}
    assert sorted(by_index) == [0, 1, 2]
    for recording in folder:
        assert recording.label == by_index[recording.index].label
        assert recording.t.tolist() == by_index[recording.index].t.tolist()


def test_a_folder_is_preferred_to_the_archive_it_came_from(tmp_path: Path) -> None:
    write_archive(tmp_path / "train.zip", under("Train", {"9/1.bin": SECOND}))
    write_folder(tmp_path, under("Train"))
    assert found(tmp_path, "train") == [5, 6, 7]


@pytest.mark.parametrize("name", ["gestures", "gestures.tar.gz", "mine.npz"])
def test_what_names_no_part_is_all_train(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith(".npz"):
        write_packed(path)
    else:
        (write_archive if name.endswith(".gz") else write_folder)(path, CLASSES)
    assert (has_part(path, "train"), has_part(path, "test")) == (True, False)
    assert found(path, "train") == [5, 6, 7]


def test_a_folder_that_is_the_test_split_is_no_train_split(tmp_path: Path) -> None:
    path = write_folder(tmp_path / "Test", CLASSES)
    assert (has_part(path, "train"), has_part(path, "test")) == (False, True)
    assert found(path, "test") == [5, 6, 7]


def test_a_linked_split_is_an_error_but_what_is_no_split_may_be_a_link(tmp_path: Path) -> None:
    write_folder(tmp_path / "elsewhere", CLASSES)
    write_folder(tmp_path / "mine", under("train"))
    (tmp_path / "mine/videos").symlink_to(tmp_path / "elsewhere")
    assert found(tmp_path / "mine", "train") == [5, 6, 7]
    (tmp_path / "mine/test").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"mine/test: a link to a folder, which is not followed; put the folder itself"):
        has_part(tmp_path / "mine", "test")


def test_a_folder_that_may_not_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> NoReturn:
        raise PermissionError(errno.EACCES, "", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DataError, match=rf"^{tmp_path}: cannot be read \(Permission denied\); check it"):
        has_part(tmp_path, "train")


def test_the_test_split_is_never_taken_for_train(tmp_path: Path) -> None:
    write_folder(tmp_path, under("Test"))
    assert not has_part(tmp_path, "train")
    with pytest.raises(DataError) as caught:
        open_source(tmp_path, "train")
    assert str(caught.value) == (
        f"{tmp_path}: no train split; looked for a folder, .tar.*, .zip, .npz or .h5 named train, Train, *_train, "
        "*-train, *Train, or else a folder for each class with .bin or .npy recordings; found Test"
    )


def test_what_lies_there_is_said_but_not_all_of_it(tmp_path: Path) -> None:
    write_folder(tmp_path, {f"{index:02}.txt": b"" for index in range(20)})
    with pytest.raises(DataError, match=r"found 00.txt, 01.txt, .*, 11.txt and 8 more$"):
        open_source(tmp_path, "test")
    archive = write_archive(tmp_path / "a.zip", {"b/c/d/1.bin": FIRST})
    with pytest.raises(DataError, match=r"a.zip: no test split; looked for .*; found b$"):
        open_source(archive, "test")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: no train split; looked for .*; found nothing$"):
        open_source(tmp_path / "empty", "train")


def test_two_candidates_are_an_error_that_lists_them(tmp_path: Path) -> None:
    write_folder(tmp_path, under("Train"))
    write_archive(tmp_path / "n-mnist.tar.xz", under("Train") | under("Test"))
    write_packed(tmp_path / "nmnist-train.npz")
    with pytest.raises(DataError) as caught:
        has_part(tmp_path, "train")
    assert str(caught.value) == (
        f"{tmp_path}: 3 candidates for the train split: {tmp_path}/Train, {tmp_path}/nmnist-train.npz, "
        f"{tmp_path}/n-mnist.tar.xz: Train; keep one of them there, or give its path"
    )
    assert found(tmp_path, "test") == [5, 6, 7]


def test_a_path_that_is_missing_or_of_no_known_kind_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: missing; expected a folder or file of recordings$"):
        has_part(tmp_path / "nowhere", "train")
    (tmp_path / "a.csv").write_text("t,x,y,p")
    with pytest.raises(
        DataError, match=r"a.csv: unknown kind of file; allowed are a folder, .tar.\*, .zip, .npz or .h5"
    ):
        has_part(tmp_path / "a.csv", "train")
