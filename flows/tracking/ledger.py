"""Remembers what a local store shows, so that a run with nothing to log need not import MLflow, which takes seconds.

The ledger lies beside the database and holds only while that is as it was when the ledger was taken: after any other
write, MLflow is asked and the ledger is written anew.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.io.files import read_json, write_json

HEADER_BYTES = 100
CHANGE_COUNTER = slice(24, 28)  # SQLite counts its writes there (https://www.sqlite.org/fileformat.html, 1.3.7)
JOURNALS = ("-wal", "-journal")  # there while somebody writes, or was killed writing

Stamp = list[int]


@dataclass(frozen=True)
class Logged:
    """The run that shows a stage's result `key`; `is_whole` when its weights were there to log."""

    key: str
    run_id: str
    is_whole: bool


Runs = dict[str, dict[str, Logged]]  # by MLflow experiment, by stage


@dataclass(frozen=True)
class Ledger:
    """What the store showed when its database had this stamp."""

    stamp: Stamp
    runs: Mapping[str, Mapping[str, Logged]]

    def find(self, database: Path, experiment: str, address: str) -> Logged | None:
        """What shows the stage; None when it does not know, or the database was written since."""
        logged = self.runs.get(experiment, {}).get(address)
        return logged if logged and stamp_of(database) == self.stamp else None


def stamp_of(database: Path) -> Stamp | None:
    """What every write changes: size, time and count of writes; None without a database, or while one is written."""
    try:
        found = database.stat()
        with database.open("rb") as stream:
            count = int.from_bytes(stream.read(HEADER_BYTES)[CHANGE_COUNTER])
    except OSError:
        return None
    is_written = any(Path(f"{database}{end}").exists() for end in JOURNALS)
    return None if is_written else [found.st_size, found.st_mtime_ns, count]


def read_ledger(database: Path) -> Ledger | None:
    """The ledger beside a database; None when there is none that can be read."""
    try:
        content = read_json(_path(database))
        runs = {
            experiment: {address: Logged(**logged) for address, logged in stages.items()}
            for experiment, stages in content["runs"].items()
        }
        return Ledger(content["stamp"], runs)
    except (OSError, json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        return None


def write_ledger(database: Path, ledger: Ledger) -> None:
    """Write it whole or not at all (raises OSError)."""
    runs = {
        experiment: {address: asdict(logged) for address, logged in sorted(stages.items())}
        for experiment, stages in sorted(ledger.runs.items())
    }
    write_json(_path(database), {"stamp": ledger.stamp, "runs": runs})


def _path(database: Path) -> Path:
    return database.with_suffix(".ledger.json")
