"""Writes a file whole or not at all."""

import os
from collections.abc import Callable
from pathlib import Path


def replace(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a neighbour of `path`, then move it there, so that no half-written file is ever seen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    write(partial)
    os.replace(partial, path)
