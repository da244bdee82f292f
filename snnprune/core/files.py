"""Writes a file whole or not at all."""

import os
import re
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError


def replace(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a neighbour of `path`, then move it there, so that no half-written file is ever seen, nor left
    behind after an error. It may be read by whom the umask lets, whoever writes. Raises OSError: it cannot be written;
    a full disk is one that names `path` for safetensors and torch, too, which have errors of their own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        partial.touch()
        mode = partial.stat().st_mode  # safetensors makes a file anew, for its owner alone
        _written(write, partial)
        partial.chmod(mode)
        os.replace(partial, path)
    except OSError as error:
        if error.errno is not None and error.filename in (None, str(partial)):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        partial.unlink(missing_ok=True)


def _written(write: Callable[[Path], None], partial: Path) -> None:
    try:
        write(partial)
    except SafetensorError as error:
        if number := re.search(r"os error (\d+)", str(error)):
            raise OSError(int(number[1]), os.strerror(int(number[1]))) from error
        raise
    except RuntimeError:  # torch's does not say what the system refused; the system says it again
        with partial.open("ab") as stream:
            stream.write(bytes(1 << 16))
        raise
