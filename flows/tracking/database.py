"""Makes MLflow's database in a local file: a copy of an empty one that set-up made, for MLflow itself takes seconds."""

import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow import MlflowClient

from flows.tracking.location import local_uri
from snnprune.core.files import replace

EMPTY = Path(sys.prefix) / f"mlflow-{mlflow.__version__}.db"  # with the packages that it was made by


def create_database(path: Path) -> None:
    """Create MLflow's tables under another name first: it cannot use a database whose making was interrupted."""
    if path.exists():
        return
    unfinished = path.with_suffix(".unfinished")
    for left_over in path.parent.glob(f"{unfinished.name}*"):  # SQLite's journal, too
        left_over.unlink()
    if EMPTY.is_file():
        shutil.copyfile(EMPTY, unfinished)
    else:
        _make(unfinished)
    unfinished.replace(path)


def make_empty() -> None:
    """Make the empty database to copy."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "mlflow.db")
        _make(path)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DELETE FROM experiments")  # the default one names a folder; MLflow makes it anew
        replace(EMPTY, lambda partial: shutil.copyfile(path, partial))


def _make(path: Path) -> None:
    MlflowClient(tracking_uri=local_uri(path)).search_experiments(max_results=1)
