"""Writes and reads result files: whole or not at all, and byte-identical for equal content."""

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from snnprune.core.files import replace

Row = Mapping[str, Any]


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with `\\n` line ends."""
    replace(path, lambda partial: partial.write_text(text, encoding="utf-8", newline="\n"))


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON; NaN and infinity are refused (ValueError), since they are not JSON."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Parse one JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Write rows of equal keys with a header line. Raises ValueError when there is no row."""
    if not rows:
        raise ValueError(f"{path}: no rows to write")

    def write(partial: Path) -> None:
        with partial.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    replace(path, write)


class Curve:
    """A CSV file that grows by one row at a time while a stage runs, so that others can follow it."""

    def __init__(self, path: Path) -> None:
        """Start the file anew."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)

    def append(self, row: Row) -> None:
        """Add one row; the first row names the columns."""
        new = not self.path.exists()
        with self.path.open("a", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, fieldnames=list(row), lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(row)


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
