"""A backup holds all that MLflow shows, and comes back: SQLite and PostgreSQL."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from filelock import FileLock

from flows.backup.backup import backup, restore
from flows.engine.workspace import LOCK
from flows.tracking.replay import track
from snnprune.core.errors import UserError
from tests.flows.tracking.conftest import RUNS, search
from tests.tiny import run

VARIABLE, PREFECT = "MLFLOW_TRACKING_URI", "PREFECT_SERVER_DATABASE_CONNECTION_URL"


def files_of(root: Path) -> dict[str, bytes]:
    artifacts = root / "mlruns/artifacts"
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in artifacts.rglob("*") if path.is_file()}


@pytest.fixture
def backed_up(project: Path, tmp_path: Path) -> Path:
    """A backup of the project with all results in MLflow and something in Prefect's database."""
    track()
    (project / ".prefect").mkdir()
    with closing(sqlite3.connect(project / ".prefect/prefect.db")) as database, database:
        database.execute("CREATE TABLE runs (name TEXT)")
        database.execute("INSERT INTO runs VALUES ('nightly')")
    backup(tmp_path / "backup")
    return tmp_path / "backup"


def test_what_was_lost_comes_back(project: Path, backed_up: Path, capsys) -> None:
    before = files_of(project)
    assert before
    shutil.rmtree(project / "mlruns")
    shutil.rmtree(project / ".prefect")
    lost = sorted((project / ".dvc/cache/files/md5").glob("??/*"))[:2]
    for path in lost:
        path.unlink()
    capsys.readouterr()
    restore(backed_up)
    assert sorted(run.info.run_name for run in search(project)) == RUNS
    assert files_of(project) == before
    with closing(sqlite3.connect(project / ".prefect/prefect.db")) as database:
        assert database.execute("SELECT name FROM runs").fetchall() == [("nightly",)]
    said = capsys.readouterr().out
    assert said.startswith("restored: mlflow and prefect\nDVC's cache lacks 2 of ")
    track()
    assert "tracking: 0 results logged, 8 already there" in capsys.readouterr().out


def test_a_backup_is_of_one_moment_while_somebody_writes(project: Path, tmp_path: Path) -> None:
    track()
    with closing(sqlite3.connect(project / "mlruns/mlflow.db")) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM tags")
        backup(tmp_path / "backup")
        writer.rollback()
    with closing(sqlite3.connect(tmp_path / "backup/mlflow.db")) as copy:
        assert copy.execute("SELECT count(*) FROM tags").fetchone()[0] > 0
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0


def test_nothing_is_overwritten(project: Path, backed_up: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mlruns/artifacts is there already; move it away"):
        restore(backed_up)
    shutil.rmtree(project / "mlruns/artifacts")
    with pytest.raises(UserError, match=r"mlruns/mlflow\.db is there already"):
        restore(backed_up)
    assert not (project / "mlruns/artifacts").exists()
    with pytest.raises(UserError, match="is not empty"):
        backup(backed_up)
    with FileLock(project / LOCK), pytest.raises(UserError, match="another flow is running"):
        backup(tmp_path / "another")


def test_a_folder_that_cannot_be_made_is_named(project: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file/backup"):
        with pytest.raises(UserError, match=f"^{folder} cannot be the folder of a backup: "):
            backup(folder)


def test_it_says_that_a_tracking_server_keeps_its_own_database(
    project: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setenv(VARIABLE, "http://u:hunter2@127.0.0.1:9")
    backup(tmp_path / "backup")
    said = capsys.readouterr().out
    assert "MLflow's database is not in it: MLFLOW_TRACKING_URI names a tracking server" in said
    assert "hunter2" not in said
    assert not (tmp_path / "backup/mlflow.db").exists()


def test_a_database_that_the_variables_no_longer_name_is_refused(project: Path, backed_up: Path, monkeypatch) -> None:
    shutil.rmtree(project / "mlruns")
    shutil.move(project / ".prefect", project.parent / "away")
    for uri in ("http://127.0.0.1:9", "postgresql://u@127.0.0.1:9/mlflow"):
        monkeypatch.setenv(VARIABLE, uri)
        with pytest.raises(
            UserError, match="has no database of mlflow of the kind .*; set the same variables as then$"
        ):
            restore(backed_up)
    assert not (project / ".prefect").exists()


def test_half_a_backup_a_damaged_one_and_another_project_s_are_named(
    project: Path, backed_up: Path, tmp_path: Path, monkeypatch
) -> None:
    shutil.rmtree(project / "mlruns")
    with pytest.raises(UserError, match=r"holds no whole backup \(backup\.json"):
        restore(tmp_path)
    (tmp_path / "backup.json").write_text("{}")
    with pytest.raises(UserError, match=r"\(backup\.json is not what `snnprune backup` writes\)$"):
        restore(tmp_path)
    shutil.move(project / ".prefect", tmp_path / "away")
    database = backed_up / "prefect.db"
    database.write_bytes(b"no database" * 1000)
    with pytest.raises(UserError, match=r"prefect\.db cannot be copied"):
        restore(backed_up)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(project, elsewhere)
    monkeypatch.chdir(elsewhere)
    with pytest.raises(
        UserError, match=f"is of a project in {project}, and MLflow keeps absolute paths; restore there"
    ):
        restore(backed_up)


@pytest.mark.slow
def test_postgres_comes_back_into_empty_databases(
    urls: dict[str, str], project: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    shutil.rmtree(project / "mlruns")
    run(project, "python", "-m", "flows.tracking.replay", **urls)
    before, files = runs_in(urls[VARIABLE]), files_of(project)
    assert sorted(name for name, *_ in before) == RUNS
    for name, url in urls.items():
        monkeypatch.setenv(name, url)
    plainly(urls[PREFECT], "create table flow_run (name text)")
    backup(tmp_path / "backup")
    assert {path.name for path in (tmp_path / "backup").iterdir()} >= {"mlflow.dump", "prefect.dump", "backup.json"}
    shutil.rmtree(project / "mlruns")
    with pytest.raises(UserError, match="database mlflow has tables already; restore into an empty one"):
        restore(tmp_path / "backup")
    for name in ("mlflow", "prefect"):
        plainly(urls[VARIABLE].replace("/mlflow", "/postgres"), f"create database {name}2")
    monkeypatch.setenv(VARIABLE, urls[VARIABLE] + "2")
    monkeypatch.setenv(PREFECT, urls[PREFECT] + "2")
    restore(tmp_path / "backup")
    assert runs_in(urls[VARIABLE] + "2") == before
    assert files_of(project) == files
    monkeypatch.setenv(PREFECT, urls[PREFECT].replace("pipeline:", "pipeline:wrong"))
    with pytest.raises(UserError, match=r"^psql: .*password authentication failed") as refused:
        backup(tmp_path / "another")
    assert urls[VARIABLE].split(":")[2].split("@")[0] not in str(refused.value)


def runs_in(url: str) -> list[tuple]:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        return connection.execute("select name, status, artifact_uri from runs order by run_uuid").fetchall()


def plainly(url: str, statement: str) -> None:
    plain = url.replace("+psycopg", "").replace("+asyncpg", "")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(statement)
