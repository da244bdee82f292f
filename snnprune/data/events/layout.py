"""Finds the train or test recordings in a user's folder or archive, and says what is read there.

A split is a folder, an archive (.tar, .tar.gz, .tar.xz, .tar.bz2, .zip), a packed `.npz` or an HDF5 file whose name,
without its endings, is `train` or `test`, or ends so: `shd_train`, `pips-test`, `ibmGestureTrain`; `holdout` is a test
split too. An archive of any other name may hold both as folders. Inside a split lies one folder per class with one file
per recording (`.bin`, `.npy`), DVS Gesture's folders (`user01_fluorescent/0.npy`: a file's name is its class), or one
packed `.npz` or HDF5 file. What names neither part, a folder of classes or a file, is all train.
"""

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np

from snnprune.core.errors import DataError
from snnprune.data.events.formats import READERS, read_gesture
from snnprune.data.events.hdf5 import open_hdf5
from snnprune.data.events.labels import sort_names
from snnprune.data.events.packed import open_packed
from snnprune.data.events.source import Recording, Source
from snnprune.data.events.tree import TAR, ZIP, Tree, is_archive, is_hidden, open_tree

Part = Literal["train", "test"]
PARTS: tuple[Part, ...] = ("train", "test")
WORDS = {"train": ("train",), "test": ("test", "holdout")}
LOOKED_FOR = {
    "train": "train, Train, *_train, *-train, *Train",
    "test": "test, Test, *_test, *-test, *Test, *_holdout, *-holdout",
}
KINDS = "a folder, .tar.*, .zip, .npz or .h5"
PACKED = re.compile(r"\.(npz|h5|hdf5)(\.gz)?$", re.IGNORECASE)
GESTURES = re.compile(r"user\d+_\w+")
SHOWN = 12  # names listed in an error


@dataclass(frozen=True)
class _Place:
    path: Path
    inside: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.inside}" if self.inside else str(self.path)


def has_part(path: Path, part: Part) -> bool:
    """Whether `path` holds such a split. Raises DataError: there is nothing, an archive is damaged, or several things
    may be the split."""
    return _find(path, part) is not None


def open_source(path: Path, part: Part) -> Source:
    """The recordings of a split of a folder or file; only names are read yet (packed files: all). Classes are numbered
    in the order of `labels.sort_names`, recordings sorted by class and name, in a folder as in an archive of it. Raises
    DataError: no such split (and what was looked for, and what is there), several, no recordings, a class without any,
    or as the format's reader."""
    place = _find(path, part)
    if place is None:
        there = [child.name for child in _children(path)] if path.is_dir() else [path.name]
        if is_archive(path):
            folders, files = open_tree(path).top()
            there = [*folders, *files]
        raise DataError(f"{path}: no {part} split; looked for {KINDS} named {LOOKED_FOR[part]}; found {_listed(there)}")
    if place.path.is_file() and not is_archive(place.path):
        return _open_packed(place.path, str(place.path))
    tree = open_tree(place.path)
    return _open_tree(_unwrapped(tree.at(place.inside) if place.inside else tree))


def _find(path: Path, part: Part) -> _Place | None:
    if not path.exists():
        raise DataError(f"{path}: missing; expected a folder or file of recordings")
    if path.is_file() and not (is_archive(path) or PACKED.search(path.name)):
        raise DataError(f"{path}: unknown kind of file; allowed are {KINDS}, or a folder that holds them")
    found = _candidates(path, part)
    if len(found) > 1:
        raise DataError(
            f"{path}: {len(found)} candidates for the {part} split: {', '.join(map(str, found))}; keep one of them "
            "there, or give its path"
        )
    if found:
        return found[0]
    other = PARTS[part == "train"]
    if part == "test" or _candidates(path, other) or not _is_whole(path):
        return None
    return _Place(path)


def _candidates(path: Path, part: Part) -> list[_Place]:
    if path.is_file():
        return _candidates_of_file(path, part)
    children = _children(path)
    named = [child for child in children if _names(_stem(child.name), part) and _may_hold(child)]
    unpacked = {_stem(child.name).lower() for child in named if not is_archive(child)}
    found = [_Place(child) for child in named if not is_archive(child) or _stem(child.name).lower() not in unpacked]
    for child in children:
        if child.is_file() and is_archive(child) and not any(_names(_stem(child.name), word) for word in PARTS):
            found += _inside(child, part)
    return found


def _candidates_of_file(path: Path, part: Part) -> list[_Place]:
    if is_archive(path) and (inside := _inside(path, part)):
        return inside
    return [_Place(path)] if _names(_stem(path.name), part) else []


def _inside(archive: Path, part: Part) -> list[_Place]:
    """Folders of that part at the archive's top, or in the only folder there."""
    tree = open_tree(archive)
    folders, _ = tree.top()
    named = [folder for folder in folders if _names(folder, part)]
    if not named and len(folders) == 1 and not any(_names(folders[0], word) for word in PARTS):
        named = [f"{folders[0]}/{folder}" for folder in tree.at(folders[0]).top()[0] if _names(folder, part)]
    return [_Place(archive, folder) for folder in named]


def _is_whole(path: Path) -> bool:
    """Whether a folder or file that names no part is a split by itself."""
    if path.is_file() and not is_archive(path):
        return True
    tree = _unwrapped(open_tree(path))
    return any(name.count("/") == 1 and _suffix(name) in READERS for name in tree.files)


def _children(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if not is_hidden(child.name))


def _may_hold(path: Path) -> bool:
    return path.is_dir() or is_archive(path) or bool(PACKED.search(path.name))


def _stem(name: str) -> str:
    """`shd_train` of shd_train.h5.zip."""
    for ending in (ZIP, TAR, PACKED):
        name = ending.sub("", name)
    return name


def _names(stem: str, part: Part) -> bool:
    lower = stem.lower()
    return any(
        lower == word or lower.endswith((f"_{word}", f"-{word}")) or stem.endswith(word.title()) for word in WORDS[part]
    )


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (", ".join(names[:SHOWN]) or "nothing") + more


def _unwrapped(tree: Tree) -> Tree:
    """The tree below folders that hold one folder of folders and nothing else."""
    while True:
        folders, files = tree.top()
        if len(folders) != 1 or files or not tree.at(folders[0]).folders:
            return tree
        tree = tree.at(folders[0])


def _open_tree(tree: Tree) -> Source:
    folders, files = tree.top()
    packed = [name for name in files if PACKED.search(name)]
    if len(packed) > 1 or (packed and folders):
        raise DataError(
            f"{tree.name}: expected one packed file, or class folders; found {_listed([*packed, *folders])}"
        )
    if packed:
        ((_, content),) = tree.read(packed)
        return _open_packed(content, tree.where(packed[0]))
    loose = [name for name in files if _suffix(name) in READERS]
    if loose:
        raise DataError(f"{tree.name}: expected one folder per class; found recordings without: {_listed(loose)}")
    if not folders:
        raise DataError(f"{tree.name}: no recordings; expected one folder per class; found {_listed(files)}")
    return _open_folders(tree, folders)


def _open_packed(file: Path | bytes, where: str) -> Source:
    name = where.lower()
    if name.endswith(".gz"):
        name, content = name.removesuffix(".gz"), file if isinstance(file, bytes) else file.read_bytes()
        try:
            file = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{where}: damaged gzip file ({error}); replace it by an intact copy") from error
    if name.endswith(".npz"):
        return open_packed(io.BytesIO(file) if isinstance(file, bytes) else file, where)
    return open_hdf5(file, where)


def _open_folders(tree: Tree, folders: list[str]) -> Source:
    gestures = all(GESTURES.fullmatch(folder) for folder in folders)
    files = [name for name in tree.files if name.count("/") == 1 and _suffix(name) in READERS]
    found = dict.fromkeys(folders, 0)
    for name in files:
        found[name.split("/")[0]] += 1
    if empty := [folder for folder, count in found.items() if not count]:
        inside = tree.at(empty[0])
        raise DataError(
            f"{tree.where(empty[0])}: no recordings; expected files {', '.join(READERS)} in each class's folder; "
            f"found {_listed([*inside.top()[0], *inside.top()[1]])}"
        )
    classes = {name: PurePosixPath(name).stem if gestures else name.split("/")[0] for name in files}
    names = sort_names(classes.values())
    label_of = {name: label for label, name in enumerate(names)}
    order = sorted(files, key=lambda name: (label_of[classes[name]], name))
    index_of = {name: index for index, name in enumerate(order)}
    labels = np.array([label_of[classes[name]] for name in order], np.int64)

    def recordings() -> Iterator[Recording]:
        for name, content in tree.read(order):
            where = tree.where(name)
            read = read_gesture if gestures else READERS[_suffix(name)]
            index = index_of[name]
            yield Recording(*read(content, where), int(labels[index]), where, index)

    return Source(tree.name, names, labels, recordings)
