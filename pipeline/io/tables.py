"""Tables as CSV files, with every digit of their numbers."""

import math
from pathlib import Path

import pandas as pd

from pipeline.io.entry import required
from pipeline.io.files import Row, write_text
from snnprune.core.errors import NotFiniteError


def read_table(path: Path, stage: str) -> pd.DataFrame:
    """A CSV file; only an empty cell is missing. Raises UserError when it is not there: `stage` makes it."""
    return pd.read_csv(required(path, stage), keep_default_na=False, na_values=[""])


def write_table(path: Path, table: pd.DataFrame | list[Row]) -> None:
    """Write a table, or rows by column, as a CSV file. Raises NotFiniteError: a number of a row is NaN or infinite, or
    one of a table, in which NaN is a missing value, infinite."""
    for row in table if isinstance(table, list) else ():
        _require_finite(path, row)
    if isinstance(table, pd.DataFrame) and table.isin([math.inf, -math.inf]).any(axis=None):
        raise NotFiniteError(f"{path}: not written, as it holds an infinite number")
    write_text(path, pd.DataFrame(table).to_csv(index=False, lineterminator="\n"))


class Curve:
    """A CSV file that grows by one row at a time while a stage runs, so that others can follow it."""

    def __init__(self, path: Path) -> None:
        """Start the file anew."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)

    def append(self, row: Row) -> None:
        """Add one row; the first row names the columns. Raises NotFiniteError: a number is NaN or infinite."""
        _require_finite(self.path, row)
        pd.DataFrame([row]).to_csv(self.path, mode="a", header=not self.path.exists(), index=False, lineterminator="\n")


def _require_finite(path: Path, row: Row) -> None:
    if wrong := [name for name, value in row.items() if isinstance(value, float) and not math.isfinite(value)]:
        raise NotFiniteError(f"{path}: a row is not written, as {', '.join(wrong)} is NaN or infinite: {dict(row)}")
