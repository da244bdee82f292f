"""Where MLflow's store is, without importing MLflow: the server that MLFLOW_TRACKING_URI names, else a local file."""

import os
from pathlib import Path

from flows.environment import PROJECT_VARIABLE

FOLDER = Path("mlruns")
SQLITE = "sqlite:///"
DATABASE = "mlflow.db"


def store_uri(root: Path) -> str:
    """Where the runs are kept."""
    return os.environ.get("MLFLOW_TRACKING_URI") or local_uri(root / FOLDER / DATABASE)


def store_folder(root: Path) -> Path:
    """Where the lock, and the artifacts of a store that is a database, lie: beside a local one, else in the project.

    A scheduled run works in a worktree that the next one replaces; the project's own folder stays.
    """
    database = local_database(root)
    return Path(os.environ.get(PROJECT_VARIABLE) or root) / FOLDER if database is None else database.parent


def local_database(root: Path) -> Path | None:
    """The file of a local store, whether it exists or not; None for a server or another database."""
    uri = store_uri(root)
    return Path(uri.removeprefix(SQLITE)).absolute() if uri.startswith(SQLITE) else None


def local_uri(database: Path) -> str:
    """The address of a local store."""
    return f"{SQLITE}{database}"
