"""`snnprune backup FOLDER` copies what neither git nor DVC's remote holds: the databases of MLflow and of Prefect, and
MLflow's files. Results are pushed (`snnprune push`); the backup lists which of them the cache held."""

import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from flows.backup.databases import POSTGRES, Database, PostgresDatabase, SqliteFile
from flows.engine.dvc import cache_folder
from flows.engine.workspace import workspace
from flows.environment import set_defaults
from flows.retention.leftover import size_of
from flows.scheduled.database import DATABASE
from flows.sharing.share import size_text
from flows.tracking.location import VARIABLE, local_database, store_folder, store_uri
from pipeline.io.files import read_json, write_json
from snnprune.core.errors import UserError

MANIFEST = "backup.json"  # written last: a folder without it holds no whole backup
ARTIFACTS = "artifacts"
PREFECT_VARIABLE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
PREFECT_HOME = Path(".prefect")


@dataclass(frozen=True)
class Manifest:
    """What a backup holds: of which project (MLflow keeps absolute paths), which databases, and the files that DVC's
    cache held, by MD5."""

    project: str
    databases: list[str]
    cache: list[str]


def backup(folder: Path) -> None:
    """Copy the databases and MLflow's files of the project in the current folder into a new or empty folder. Raises
    UserError: the folder has something in it or cannot be made, a flow runs, or a database cannot be copied."""
    set_defaults()
    root = Path.cwd()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UserError(f"{folder} is not empty; name a new folder for each backup")
        folder.chmod(0o700)
    except OSError as error:
        raise UserError(f"{folder} cannot be the folder of a backup: {error.strerror}") from error
    files = store_folder(root)
    files.mkdir(exist_ok=True)
    copied = []
    with workspace(root), FileLock(files / "tracking.lock"):  # so that database and files are of one moment
        for name, database in _databases(root).items():
            if database.is_there():
                database.copy_to(folder / f"{name}{database.suffix}")
                copied.append(name)
        if (files / ARTIFACTS).is_dir():
            shutil.copytree(files / ARTIFACTS, folder / ARTIFACTS, symlinks=True)
        write_json(folder / MANIFEST, asdict(Manifest(str(root), copied, _cache(root))))
    size = size_text(size_of(folder))
    print(f"{folder}: {' and '.join(copied) or 'no database'}, {size}; `snnprune push` keeps results")
    if "mlflow" not in _databases(root):
        print(f"MLflow's database is not in it: {VARIABLE} names a tracking server; back it up there")


def restore(folder: Path) -> None:
    """Put a backup back into the project in the current folder, where nothing of it is there. Raises UserError: it is
    not whole, of a project in another folder, something is there already, a flow runs, or a database refuses."""
    set_defaults()
    root = Path.cwd()
    try:
        manifest = Manifest(**read_json(folder / MANIFEST))
    except TypeError as error:
        raise UserError(f"{folder} holds no whole backup ({MANIFEST} is not what `snnprune backup` writes)") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{folder} holds no whole backup ({MANIFEST}: {error})") from error
    if manifest.project != str(root):
        raise UserError(
            f"{folder} is of a project in {manifest.project}, and MLflow keeps absolute paths; restore there"
        )
    databases, files = _databases(root), store_folder(root)
    if (files / ARTIFACTS).exists():
        raise UserError(f"{files / ARTIFACTS} is there already; move it away, then restore")
    for name in manifest.databases:
        if name not in databases or not _copy(folder, name, databases[name]).is_file():
            raise UserError(
                f"{folder} has no database of {name} of the kind that the variables name now (SQLite, PostgreSQL, a "
                "server); set the same variables as then"
            )
    with workspace(root):
        for name in manifest.databases:
            databases[name].require_empty()
        for name in manifest.databases:
            databases[name].restore(_copy(folder, name, databases[name]))
        if (folder / ARTIFACTS).is_dir():
            shutil.copytree(folder / ARTIFACTS, files / ARTIFACTS, symlinks=True)
    print(f"restored: {' and '.join(manifest.databases) or 'no database'}")
    if lost := set(manifest.cache) - set(_cache(root)):
        print(f"DVC's cache lacks {len(lost)} of {len(manifest.cache)} files that it had; fetch results: snnprune pull")


def _databases(root: Path) -> dict[str, Database]:
    """Those of MLflow and of Prefect's server. A tracking server's is its own affair."""
    found: dict[str, Database] = {}
    local, uri = local_database(root), store_uri(root)
    if local is not None:
        found["mlflow"] = SqliteFile(local)
    elif uri.startswith(POSTGRES):
        found["mlflow"] = PostgresDatabase(uri)
    url = os.environ.get(PREFECT_VARIABLE, "")
    found["prefect"] = PostgresDatabase(url) if url.startswith(POSTGRES) else SqliteFile(root / PREFECT_HOME / DATABASE)
    return found


def _copy(folder: Path, name: str, database: Database) -> Path:
    return folder / f"{name}{database.suffix}"


def _cache(root: Path) -> list[str]:
    return sorted(path.parent.name + path.name for path in Path(cache_folder(root), "files/md5").glob("??/*"))
