"""Writes a file whole or not at all."""

import os
import re
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError


def replace(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a neighbour of `path`, then move it there, so that no half-written file is ever seen. Raises
    OSError: it cannot be written; a full disk is one for safetensors, too, which has an error of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        write(partial)
    except SafetensorError as error:
        if number := re.search(r"os error (\d+)", str(error)):
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error
        raise
    os.replace(partial, path)
