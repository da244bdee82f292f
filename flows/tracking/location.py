"""Where MLflow's store is, without importing MLflow: the server that MLFLOW_TRACKING_URI names, else a local file."""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

VARIABLE = "MLFLOW_TRACKING_URI"
FOLDER = "mlruns"
WORKTREES = ".worktrees"  # the folder in a project with the worktrees of its scheduled runs
SQLITE = "sqlite:///"


def project_of(root: Path) -> Path:
    """The project that a worktree made for scheduled runs belongs to: its store is used. Any other folder itself."""
    is_for_runs = (root / ".git").is_file() and root.parent.name == WORKTREES
    return root.parents[1] if is_for_runs else root


def local_database(root: Path) -> Path | None:
    """The file of a local store, whether it exists or not; None for a server or another database."""
    uri = os.environ.get(VARIABLE) or f"{SQLITE}{FOLDER}/mlflow.db"
    return project_of(root) / uri.removeprefix(SQLITE) if uri.startswith(SQLITE) else None


def store_uri(root: Path) -> str:
    """Where the runs are kept."""
    database = local_database(root)
    return local_uri(database) if database else os.environ[VARIABLE]


def store_folder(root: Path) -> Path:
    """Where the lock, and the artifacts of a store that is a database, lie: beside a local one, else in the project."""
    database = local_database(root)
    return database.parent if database else project_of(root) / FOLDER


def trouble_with(database: Path) -> str | None:
    """Why a local store cannot be used where it lies, and what to do; MLflow itself would write elsewhere."""
    if found := sorted(set("?%").intersection(str(database))):
        return f"MLflow misreads {' and '.join(found)} in a path: {database}; rename the folder"
    if database.is_file():
        with suppress(sqlite3.Error), closing(sqlite3.connect(database)) as connection:
            query = "SELECT artifact_location FROM experiments WHERE artifact_location LIKE '%/artifacts/' || name"
            files = (database.parent / "artifacts").as_uri()
            if others := [place for (place,) in connection.execute(query) if not place.startswith(f"{files}/")]:
                return f"the folder was moved or copied from {others[0]}; remove {database.parent.name}/ to start anew"
    return None


def local_uri(database: Path) -> str:
    """The address of a local store."""
    return f"{SQLITE}{database}"
