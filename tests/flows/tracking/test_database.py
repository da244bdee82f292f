"""A new database is a copy of the empty one that set-up makes, and what MLflow itself would make."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from flows.tracking import database
from flows.tracking.store import Store
from tests.flows.conftest import store_of

TABLES = "SELECT type, name FROM sqlite_master ORDER BY name"  # MLflow writes their parts in any order


def rows(path: Path, query: str) -> list[tuple]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def test_a_copy_has_what_mlflow_makes_and_names_no_other_place(
    templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = templates / "store/mlruns/mlflow.db"
    monkeypatch.setattr(database, "EMPTY", tmp_path / "environment/empty.db")
    database.make_empty()
    monkeypatch.setattr(database, "_make", lambda path: pytest.fail("made instead of copied"))
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    Store(project)
    copy = project / "mlruns/mlflow.db"
    assert rows(copy, TABLES) == rows(made, TABLES)
    for table in ("alembic_version", "workspaces"):
        assert rows(copy, f"SELECT * FROM {table}") == rows(made, f"SELECT * FROM {table}")
    (default,) = MlflowClient(store_of(project)).search_experiments()
    assert Path(default.artifact_location.removeprefix("file://")) == project / "mlruns/0"
