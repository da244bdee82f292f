"""Labels 0..n-1 and the names of the classes, in one file and across splits."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from snnprune.core.errors import DataError


def sort_names(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once: numbers first, sorted as numbers, then the others by character.

    >>> sort_names(["10", "9", "b", "a", "9"])
    ('9', '10', 'a', 'b')
    """
    return tuple(
        sorted(set(names), key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name))
    )


def join_names(*names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of several splits as one label space: as they are where they are equal, else all of them, sorted.

    >>> join_names(("6", "9"), ("6", "7"))
    ('6', '7', '9')
    """
    return names[0] if len(set(names)) == 1 else sort_names(name for split in names for name in split)


def relabel(labels: NDArray[np.int64], names: tuple[str, ...], onto: tuple[str, ...]) -> NDArray[np.int64]:
    """Labels of `names` as labels of `onto`, which holds all those names.

    >>> relabel(np.array([0, 1, 1]), ("6", "9"), ("6", "7", "9"))
    array([0, 2, 2])
    """
    return np.array([onto.index(name) for name in names], np.int64)[labels]


def number_labels(found: NDArray, where: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Whole numbers [N] as labels 0..n-1 and names. Raises DataError: they are not whole numbers, or none; `where`
    begins the message."""
    if found.ndim != 1 or not np.issubdtype(found.dtype, np.integer):
        raise DataError(
            f"{where}: expected whole numbers [N], one a recording; found {found.dtype} {list(found.shape)}"
        )
    if not len(found):
        raise DataError(f"{where}: no recordings; expected at least one")
    values, labels = np.unique(found, return_inverse=True)
    return labels.astype(np.int64), tuple(map(str, values.tolist()))
