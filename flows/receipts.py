"""Notes beside a local store which result of each stage it shows: MLflow takes seconds to open, a note to read nothing.

A server is always asked: others may change what it shows.
"""

from pathlib import Path
from urllib.parse import quote

from flows.narrowed import mlflow_name
from flows.store_place import local_database, store_folder

FOLDER = "shown"  # in the store's own folder: they go with it


def note(root: Path, experiment: str, address: str, key: str, where: str) -> None:
    """The store shows the stage's result `key` whole, as the current one, by the run `where`."""
    if local_database(root) is None:
        return
    path = _path(root, experiment, address)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(f"{key} {where}\n", encoding="utf-8")
    partial.replace(path)


def find(root: Path, experiment: str, address: str, key: str) -> str | None:
    """Which run shows the result as the current one; None when that must be asked of the store."""
    database, path = local_database(root), _path(root, experiment, address)
    if database is None or not database.is_file() or not path.is_file():
        return None
    noted, where = path.read_text(encoding="utf-8").split()
    return where if noted == key else None


def forget(root: Path, experiment: str, address: str) -> None:
    """Nothing is known of the stage until the next note."""
    _path(root, experiment, address).unlink(missing_ok=True)


def _path(root: Path, experiment: str, address: str) -> Path:
    return store_folder(root) / FOLDER / mlflow_name(experiment, root) / f"{quote(address, safe='')}.txt"
