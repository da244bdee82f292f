"""Tables as CSV files, with every digit of their numbers."""

from pathlib import Path

import pandas as pd

from pipeline.io.entry import required


def read_table(path: Path, stage: str) -> pd.DataFrame:
    """A CSV file; only an empty cell is missing. Raises UserError when it is not there: `stage` makes it."""
    return pd.read_csv(required(path, stage), keep_default_na=False, na_values=[""])


def to_csv(table: pd.DataFrame) -> str:
    """The table as the text of a CSV file."""
    return table.to_csv(index=False, lineterminator="\n")
