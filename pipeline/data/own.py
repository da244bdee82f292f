"""A user's own data, as params.yaml names it: `idx:<folder>` or `events:<folder or file>`. Read without numpy."""

from pathlib import Path
from typing import Any

from snnprune.core.errors import DataError

IDX_PREFIX = "idx:"
EVENTS_PREFIX = "events:"
FORMS = {IDX_PREFIX: f"{IDX_PREFIX}<folder>", EVENTS_PREFIX: f"{EVENTS_PREFIX}<folder or file>"}


def own_prefix(dataset: Any) -> str | None:
    """`idx:` or `events:`, with which the dataset's name begins; None for everything else."""
    return next((prefix for prefix in FORMS if isinstance(dataset, str) and dataset.startswith(prefix)), None)


def own_path(dataset: Any) -> Path | None:
    """The folder or file of the user's own data, relative to the project's root folder or absolute; None for everything
    else. Raises DataError: the folder holds the project itself, so that every result would be a part of the data."""
    if (prefix := own_prefix(dataset)) is None:
        return None
    path = Path(dataset.removeprefix(prefix))
    if Path.cwd().is_relative_to(path.resolve()):
        raise DataError(f"{dataset}: the folder holds the project itself; allowed is a folder for the data alone")
    return path
