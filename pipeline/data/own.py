"""A user's own folder of IDX files, as params.yaml names it: `dataset: idx:<folder>`. Read without numpy."""

from pathlib import Path
from typing import Any

from snnprune.core.errors import DataError

IDX_PREFIX = "idx:"


def own_folder(dataset: Any) -> Path | None:
    """The folder of an `idx:<folder>`, relative to the project's root folder or absolute; None for everything else.
    Raises DataError: the folder holds the project itself, so that every result would be a part of the data."""
    if not isinstance(dataset, str) or not dataset.startswith(IDX_PREFIX):
        return None
    folder = Path(dataset.removeprefix(IDX_PREFIX))
    if Path.cwd().is_relative_to(folder.resolve()):
        raise DataError(f"{dataset}: the folder holds the project itself; allowed is a folder for the IDX files alone")
    return folder
