"""A folder and the archives of it are the same tree."""

import builtins
import errno
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from snnprune.core.errors import DataError
from snnprune.data.events.tree import Tree, open_tree
from tests.snnprune.data.events.recordings import write_archive, write_folder

FILES = {
    "Train/b/2.bin": b"two",
    "Train/a/1.bin": b"one" * 100,
    "Test/a/3.bin": b"three",
    "Train/a/.DS_Store": b"hidden",
    "Train/.ipynb_checkpoints/1.bin": b"hidden",
    "__MACOSX/Train/a/1.bin": b"hidden",
    "README.md": b"about",
}
ENDINGS = (".tar", ".tar.gz", ".tar.xz", ".tar.bz2", ".zip")


def make(path: Path) -> Tree:
    write = write_archive if path.suffix else write_folder
    return open_tree(write(path, FILES))


@pytest.mark.parametrize("ending", ["", *ENDINGS])
def test_names_are_sorted_and_hidden_ones_left_out(tmp_path: Path, ending: str) -> None:
    tree = make(tmp_path / f"made{ending}")
    assert tree.files == ("README.md", "Test/a/3.bin", "Train/a/1.bin", "Train/b/2.bin")
    assert tree.folders == ("Test", "Test/a", "Train", "Train/a", "Train/b")
    assert tree.top() == (["Test", "Train"], ["README.md"])
    assert tree.at("Train").files == ("a/1.bin", "b/2.bin")
    assert tree.at("Train").at("a").top() == ([], ["1.bin"])


@pytest.mark.parametrize("ending", ["", *ENDINGS])
def test_content_is_read_from_where_it_lies(tmp_path: Path, ending: str) -> None:
    tree = make(tmp_path / f"made{ending}")
    before = sorted(tmp_path.rglob("*"))
    assert dict(tree.read(["README.md", "Train/a/1.bin"])) == {"README.md": b"about", "Train/a/1.bin": b"one" * 100}
    train = tree.at("Train")
    assert dict(train.read(train.files)) == {"a/1.bin": b"one" * 100, "b/2.bin": b"two"}
    assert sorted(tmp_path.rglob("*")) == before


def test_an_archive_is_read_in_its_own_order(tmp_path: Path) -> None:
    tree = make(tmp_path / "made.tar.gz").at("Train")
    assert [name for name, _ in tree.read(tree.files)] == ["b/2.bin", "a/1.bin"]


def test_errors_name_the_place_in_the_archive(tmp_path: Path) -> None:
    archive, folder = make(tmp_path / "made.tar"), make(tmp_path / "made")
    assert archive.at("Train").where("a/1.bin") == f"{tmp_path}/made.tar: Train/a/1.bin"
    assert folder.at("Train").where("a/1.bin") == f"{tmp_path}/made/Train/a/1.bin"
    assert (archive.name, folder.name) == (f"{tmp_path}/made.tar", f"{tmp_path}/made")


def test_names_may_begin_with_a_dot_and_a_slash(tmp_path: Path) -> None:
    tree = open_tree(write_archive(tmp_path / "a.tar", {"./Train/a/1.bin": b"one"}))
    assert tree.files == ("Train/a/1.bin",)
    assert dict(tree.read(tree.files)) == {"Train/a/1.bin": b"one"}


def test_an_archive_that_changed_is_listed_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    assert open_tree(write_archive(path, {"a/1.bin": b"1"})).files == ("a/1.bin",)
    assert open_tree(write_archive(path, {"b/22.bin": b"22"})).files == ("b/22.bin",)


def test_a_file_that_is_there_twice_is_an_error(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "a.tar", {"a/1.bin": b"one", "./a/1.bin": b"two"})
    with pytest.raises(DataError, match=r"a.tar: holds a/1.bin 2 times; expected each file once$"):
        open_tree(path)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("damage", [lambda content: content[: len(content) * 2 // 3], lambda content: b"no archive"])
def test_a_damaged_archive_is_an_error(tmp_path: Path, ending: str, damage: Callable[[bytes], bytes]) -> None:
    path = write_archive(tmp_path / f"a{ending}", FILES)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError) as caught:
        list(open_tree(path).read(FILES))
    assert str(caught.value).startswith(f"{path}: ")
    assert "damaged archive (" in str(caught.value)


def test_a_changed_byte_in_a_zip_is_an_error_with_its_place(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "a.zip", {"a/1.bin": bytes(range(256))})
    content = bytearray(path.read_bytes())
    content[content.index(bytes(range(100, 110)))] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a.zip: a/1.bin: damaged archive \("):
        list(open_tree(path).read(["a/1.bin"]))


def test_an_archives_error_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(b"no archive")
    with pytest.raises(
        DataError, match=r"^\S+/a.tar.gz: damaged archive \(file could not be opened successfully\); rep"
    ):
        open_tree(tmp_path / "a.tar.gz")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_in_an_archive_is_an_error_and_not_left_out(tmp_path: Path, kind: bytes) -> None:
    path = write_archive(tmp_path / "a.tar", {"a/1.bin": b"one"})
    with tarfile.open(path, "a") as archive:
        link = tarfile.TarInfo("b/2.bin")
        link.type, link.linkname = kind, "a/1.bin"
        archive.addfile(link)
    with pytest.raises(DataError, match=r"a.tar: b/2.bin is a link to a/1.bin; expected files and folders alone: pack"):
        open_tree(path)


def test_a_linked_folder_is_an_error_and_a_linked_file_or_root_is_read(tmp_path: Path) -> None:
    write_folder(tmp_path / "made", {"a/1.bin": b"one"})
    (tmp_path / "made/a/2.bin").symlink_to(tmp_path / "made/a/1.bin")
    (tmp_path / "root").symlink_to(tmp_path / "made")
    tree = open_tree(tmp_path / "root")
    assert dict(tree.read(tree.files)) == {"a/1.bin": b"one", "a/2.bin": b"one"}
    (tmp_path / "made/b").symlink_to(tmp_path / "made/a")
    with pytest.raises(DataError, match=r"root/b: a link to a folder, which is not followed; put the folder itself"):
        open_tree(tmp_path / "root")


def test_what_may_not_be_read_is_not_called_empty_or_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_folder(tmp_path / "made", {"a/1.bin": b"one"})
    archives = [write_archive(tmp_path / f"a{ending}", FILES) for ending in ENDINGS]

    def refuse(path: Any, *_: Any) -> NoReturn:
        raise PermissionError(errno.EACCES, "", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(builtins, "open", refuse)
    monkeypatch.setattr(io, "open", refuse)
    for path in (folder, *archives):
        with pytest.raises(DataError, match=rf"^{path}: cannot be read \(Permission denied\); check it and its perm"):
            open_tree(path)


def test_a_file_that_is_gone_is_an_error(tmp_path: Path) -> None:
    tree = make(tmp_path / "made")
    (tmp_path / "made/Train/a/1.bin").unlink()
    with pytest.raises(DataError, match=r"made/Train/a/1.bin: cannot be read \(No such file"):
        list(tree.read(["Train/a/1.bin"]))
