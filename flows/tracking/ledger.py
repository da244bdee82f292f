"""Remembers what a local store shows, so that a run with nothing to log need not import MLflow, which takes seconds.
The ledger lies beside the database and holds only while that is as it was when the ledger was taken: after any other
write, MLflow is asked and the ledger is written anew."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.io.files import read_json, write_json

CHANGE_COUNTER = slice(24, 28)  # SQLite counts its writes there (https://www.sqlite.org/fileformat.html, 1.3.7)
JOURNALS = ("-wal", "-journal")  # SQLite's, there while somebody writes, or was killed writing


@dataclass(frozen=True)
class Logged:
    """The run that shows a stage's result `key`; `is_whole` when its weights were there to log."""

    key: str
    run_id: str
    is_whole: bool


def stamp_of(database: Path) -> list[int | str] | None:
    """Where it lies, and what every write changes: size, time and count of writes; None without a database, or while
    one is written."""
    if not database.is_file() or any(Path(f"{database}{end}").exists() for end in JOURNALS):
        return None
    with database.open("rb") as stream:
        count = int.from_bytes(stream.read(CHANGE_COUNTER.stop)[CHANGE_COUNTER])
    return [str(database.absolute()), database.stat().st_size, database.stat().st_mtime_ns, count]


def find_logged(database: Path, experiment: str, address: str) -> Logged | None:
    """What shows the stage; None when the ledger does not know, or the database was written since."""
    stamp = stamp_of(database)
    try:
        content = read_json(_path(database))
        return Logged(**content["runs"][experiment][address]) if stamp and content["stamp"] == stamp else None
    except (OSError, ValueError, LookupError, TypeError):  # there is none, or it is damaged
        return None


def write_ledger(database: Path, stamp: list[int | str], runs: Mapping[str, Mapping[str, Logged]]) -> None:
    """Write what the store showed at the time of the stamp, by MLflow experiment and stage (raises OSError)."""
    content = {name: {address: asdict(run) for address, run in stages.items()} for name, stages in runs.items()}
    write_json(_path(database), {"stamp": stamp, "runs": content})


def _path(database: Path) -> Path:
    return database.with_suffix(".ledger.json")
