"""Copies of a database while it is in use, and putting them back: an SQLite file, or one of a PostgreSQL server."""

import os
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from snnprune.core.errors import UserError

POSTGRES = "postgresql"
TABLES = "select count(*) from information_schema.tables where table_schema = 'public'"


@dataclass(frozen=True)
class SqliteFile:
    """A database in a file."""

    path: Path
    suffix = ".db"

    def is_there(self) -> bool:
        """Whether there is anything to copy."""
        return self.path.is_file()

    def copy_to(self, target: Path) -> None:
        """Copy it as it is at one moment, writers or not (https://www.sqlite.org/backup.html). Raises UserError."""
        try:
            with closing(sqlite3.connect(self.path)) as source, closing(sqlite3.connect(target)) as copy:
                source.backup(copy)
        except sqlite3.Error as error:
            raise UserError(f"{self.path} cannot be copied: {error}") from error

    def require_empty(self) -> None:
        """Raises UserError: there is a database already."""
        if self.is_there():
            raise UserError(f"{self.path} is there already; move it away, then restore")

    def restore(self, source: Path) -> None:
        """Make it from a copy. Raises UserError: the copy is damaged."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        SqliteFile(source).copy_to(partial)
        with closing(sqlite3.connect(partial)) as copy:
            ((found,),) = copy.execute("PRAGMA integrity_check(1)").fetchall()
        if found != "ok":
            raise UserError(f"{source} is damaged: {found}")
        partial.replace(self.path)


@dataclass(frozen=True)
class PostgresDatabase:
    """A database of a PostgreSQL server, by its programs (Debian: postgresql-client). The password is handed on in the
    environment: a command line is seen by everybody on the machine."""

    url: str
    suffix = ".dump"

    def is_there(self) -> bool:
        """Whether it has any tables. Raises UserError."""
        return self._run("psql", "--no-psqlrc", "--tuples-only", "--no-align", "--command", TABLES).strip() != "0"

    def copy_to(self, target: Path) -> None:
        """Copy it as it is at one moment, writers or not. Raises UserError."""
        self._run("pg_dump", "--format=custom", "--no-owner", "--file", str(target))

    def require_empty(self) -> None:
        """Raises UserError: it has tables already."""
        if self.is_there():
            raise UserError(f"database {urlsplit(self.url).path[1:]} has tables already; restore into an empty one")

    def restore(self, source: Path) -> None:
        """Make its tables from a copy, all or none. Raises UserError."""
        name = urlsplit(self.url).path[1:]
        self._run("pg_restore", "--no-owner", "--exit-on-error", "--single-transaction", "--dbname", name, str(source))

    def _run(self, *command: str) -> str:
        parts = urlsplit(self.url)
        given = {"PGHOST": parts.hostname, "PGPORT": parts.port, "PGDATABASE": parts.path[1:]}
        given |= {"PGUSER": unquote(parts.username or ""), "PGPASSWORD": unquote(parts.password or "")}
        own = {name: str(value) for name, value in given.items() if value}
        try:
            done = subprocess.run(command, env={**os.environ, **own}, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise UserError(f"{command[0]} was not found (Debian: apt-get install postgresql-client)") from error
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise UserError(f"{command[0]}: {said[0]}")
        return done.stdout


Database = SqliteFile | PostgresDatabase
