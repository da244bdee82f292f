"""Something that can go: how many there are, their bytes, and how they are removed."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Leftover:
    """`what` in the plural, `size` in bytes; `remove` removes all of it."""

    what: str
    count: int
    size: int
    remove: Callable[[], None]


def size_of(path: Path) -> int:
    """The bytes of a file, or of all files in a folder; those behind a symbolic link are another's."""
    if path.is_symlink() or not path.exists():
        return 0
    if path.is_file():
        return path.stat().st_size
    files = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    return sum(file.lstat().st_size for file in files if not file.is_symlink())
