"""Finds the train or test recordings in a user's folder or archive, and says what is read there.

A split is a folder, an archive (.tar, .tar.gz, .tar.xz, .tar.bz2, .zip), a packed `.npz` or an HDF5 file whose name,
without its endings, is `train` or `test`, or ends so: `shd_train`, `pips-test`, `ibmGestureTrain`; `holdout` is a test
split too. An archive of any other name may hold both as folders. A folder, or `.h5`, is preferred to an archive of the
same name, from which it was unpacked. What names neither part, a folder of classes or a file, is all train.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from snnprune.core.errors import DataError
from snnprune.data.events.folders import PACKED, has_recordings, listed, open_packed_file, open_tree_of_split
from snnprune.data.events.source import Source
from snnprune.data.events.tree import TAR, ZIP, is_archive, is_hidden, open_tree, require_no_link, unreadable

Part = Literal["train", "test"]
PARTS: tuple[Part, ...] = ("train", "test")
WORDS = {"train": ("train",), "test": ("test", "holdout")}
LOOKED_FOR = {
    "train": "train, Train, *_train, *-train, *Train",
    "test": "test, Test, *_test, *-test, *Test, *_holdout, *-holdout",
}
KINDS = "a folder, .tar.*, .zip, .npz or .h5"


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
        whole = ", or else a folder for each class with .bin or .npy recordings" if part == "train" else ""
        raise DataError(
            f"{path}: no {part} split; looked for {KINDS} named {LOOKED_FOR[part]}{whole}; found {listed(there)}"
        )
    if place.path.is_file() and not is_archive(place.path):
        return open_packed_file(place.path, str(place.path))
    tree = open_tree(place.path)
    return open_tree_of_split(tree.at(place.inside) if place.inside else tree)


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
    return _Place(path) if _is_whole(path, part) else None


def _candidates(path: Path, part: Part) -> list[_Place]:
    """What lies in the folder, or in the archive, under that part's name."""
    if path.is_file():
        return _inside(path, part) if is_archive(path) else []
    children = _children(path)
    named = [child for child in children if _names(_stem(child.name), part) and _may_hold(child)]
    for child in filter(Path.is_dir, named):
        require_no_link(child)
    unpacked = {_stem(child.name).lower() for child in named if not is_archive(child)}
    found = [_Place(child) for child in named if not is_archive(child) or _stem(child.name).lower() not in unpacked]
    for child in children:
        if child.is_file() and is_archive(child) and not any(_names(_stem(child.name), word) for word in PARTS):
            found += _inside(child, part)
    return found


def _inside(archive: Path, part: Part) -> list[_Place]:
    """Folders of that part at the archive's top, or in the only folder there."""
    tree = open_tree(archive)
    folders, _ = tree.top()
    named = [folder for folder in folders if _names(folder, part)]
    if not named and len(folders) == 1 and not any(_names(folders[0], word) for word in PARTS):
        named = [f"{folders[0]}/{folder}" for folder in tree.at(folders[0]).top()[0] if _names(folder, part)]
    return [_Place(archive, folder) for folder in named]


def _is_whole(path: Path, part: Part) -> bool:
    """Whether a folder or file, not one that holds another part, is the split by itself; by its name test, or else
    train."""
    own: Part = "test" if _names(_stem(path.name), "test") else "train"
    if own != part or any(_candidates(path, other) for other in PARTS if other != part):
        return False
    return (path.is_file() and not is_archive(path)) or has_recordings(open_tree(path))


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(child for child in folder.iterdir() if not is_hidden(child.name))
    except OSError as error:
        raise unreadable(folder, error) from error


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
