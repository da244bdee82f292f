"""The SQLite file in which a Prefect server on this machine keeps its runs."""

import sqlite3
from contextlib import closing
from pathlib import Path

from snnprune.core.errors import UserError

DATABASE = "prefect.db"  # in PREFECT_HOME


def require_whole(path: Path) -> None:
    """Check that the database, if there is one, can be read: a server on a damaged one never comes up. Raises
    UserError."""
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(path, timeout=1)) as connection:
            ((found,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.Error as error:
        found = str(error)
    if found not in ("ok", "database is locked"):
        raise UserError(
            f"Prefect's database {path} is damaged ({found}); move it away: Prefect makes another. "
            "`snnprune run` without --prefect needs none"
        )
