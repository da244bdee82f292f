"""Writes and reads result files: whole or not at all, and byte-identical for equal content."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snnprune.core.errors import NotFiniteError
from snnprune.core.files import replace

Row = Mapping[str, Any]


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with `\\n` line ends."""
    replace(path, lambda partial: partial.write_text(text, encoding="utf-8", newline="\n"))


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON. Raises NotFiniteError: a number is NaN or infinite, which JSON does not have."""
    try:
        text = json.dumps(value, indent=2, allow_nan=False)
    except ValueError as error:
        raise NotFiniteError(f"{path}: not written: {error}") from error
    write_text(path, text + "\n")


def read_json(path: Path) -> Any:
    """Parse one JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
