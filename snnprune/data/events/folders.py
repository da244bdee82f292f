"""What lies in one split: a folder for each class, DVS Gesture's folders, or one packed file."""

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from snnprune.core.errors import DataError
from snnprune.data.events.formats import READERS, read_gesture
from snnprune.data.events.hdf5 import open_hdf5
from snnprune.data.events.labels import sort_names
from snnprune.data.events.packed import open_packed
from snnprune.data.events.source import Recording, Source
from snnprune.data.events.tree import Tree, unreadable

PACKED = re.compile(r"\.(npz|h5|hdf5)(\.gz)?$", re.IGNORECASE)
GESTURES = re.compile(r"user\d+_\w+")
SHOWN = 12  # names listed in an error


def listed(names: list[str]) -> str:
    """For errors: the names, not too many."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (", ".join(names[:SHOWN]) or "nothing") + more


def _unwrap(tree: Tree) -> Tree:
    """The tree below folders that hold one folder of folders and nothing else."""
    while True:
        folders, files = tree.top()
        if len(folders) != 1 or files or not tree.at(folders[0]).folders:
            return tree
        tree = tree.at(folders[0])


def has_recordings(tree: Tree) -> bool:
    """Whether there is a class folder with recordings, or a packed file."""
    tree = _unwrap(tree)
    return any(map(PACKED.search, tree.top()[1])) or bool(_in_class_folders(tree))


def open_tree_of_split(tree: Tree) -> Source:
    """The recordings of a folder, on disk or in an archive: one folder per class with one file per recording (`.bin`,
    `.npy`); DVS Gesture's folders (`user01_fluorescent/0.npy`: a file's name is its class); or one packed `.npz` or
    HDF5 file. Classes are numbered in the order of `sort_names`; recordings are sorted by class and name, in a folder
    as in an archive of it. Raises DataError: no recordings, a class without any, recordings deeper down, or
    both kinds."""
    tree = _unwrap(tree)
    folders, files = tree.top()
    packed = [name for name in files if PACKED.search(name)]
    if len(packed) > 1 or (packed and folders):
        raise DataError(f"{tree.name}: expected one packed file, or class folders; found {listed([*packed, *folders])}")
    if packed:
        ((_, content),) = tree.read(packed)
        return open_packed_file(content, tree.where(packed[0]))
    loose = [name for name in files if _suffix(name) in READERS]
    if loose:
        raise DataError(f"{tree.name}: expected one folder per class; found recordings without: {listed(loose)}")
    if not folders:
        raise DataError(f"{tree.name}: no recordings; expected one folder per class; found {listed(files)}")
    return _open_folders(tree, folders)


def open_packed_file(file: Path | bytes, where: str) -> Source:
    """The recordings of a packed `.npz` or an HDF5 file, or its content, plain or gzipped; `where` names it. Raises
    DataError: as its reader."""
    name = where.lower()
    if name.endswith(".gz"):
        name = name.removesuffix(".gz")
        try:
            file = gzip.decompress(file if isinstance(file, bytes) else file.read_bytes())
        except PermissionError as error:
            raise unreadable(where, error) from error
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{where}: damaged gzip file ({error}); replace it by an intact copy") from error
    if name.endswith(".npz"):
        return open_packed(io.BytesIO(file) if isinstance(file, bytes) else file, where)
    return open_hdf5(file, where)


def _open_folders(tree: Tree, folders: list[str]) -> Source:
    gestures = all(GESTURES.fullmatch(folder) for folder in folders)
    files = _in_class_folders(tree)
    found = dict.fromkeys(folders, 0)
    for name in files:
        found[name.split("/")[0]] += 1
    if empty := [folder for folder, count in found.items() if not count]:
        inside = listed([name for names in tree.at(empty[0]).top() for name in names])
        raise DataError(
            f"{tree.where(empty[0])}: no recordings; expected {' or '.join(READERS)} files in each class's folder; "
            f"found {inside}"
        )
    if deeper := [name for name in tree.files if name.count("/") > 1 and _suffix(name) in READERS]:
        raise DataError(f"{tree.name}: expected recordings in each class's folder itself; found {listed(deeper)}")
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


def _in_class_folders(tree: Tree) -> list[str]:
    return [name for name in tree.files if name.count("/") == 1 and _suffix(name) in READERS]


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
