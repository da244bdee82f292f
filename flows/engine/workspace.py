"""One flow per workspace."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from snnprune.core.errors import UserError

LOCK = Path(".dvc/tmp/flow.lock")


@contextmanager
def workspace(root: Path) -> Iterator[None]:
    """Hold the folder for one flow. Raises UserError when another one holds it."""
    (root / LOCK).parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(root / LOCK, timeout=0):
            yield
    except Timeout as error:
        raise UserError(f"another flow is running in {root}; wait for it or stop it, then try again") from error
