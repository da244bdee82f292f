"""A PostgreSQL server for the tests that put databases into it."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.imports import PROJECT

SCRIPT = PROJECT / "scripts/postgres.sh"


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    """A running server; the variables that its script says to export."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))  # pytest's own folders are closed to other users
    try:
        printed = subprocess.run([SCRIPT, "start", folder], capture_output=True, text=True, check=True).stdout
        yield dict(line.removeprefix("export ").split("=", 1) for line in printed.splitlines())
    finally:
        subprocess.run([SCRIPT, "stop", folder], check=True)
        shutil.rmtree(folder)
