"""One flow per workspace."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

LOCK = Path(".dvc/tmp/flow.lock")


class WorkspaceBusy(RuntimeError):
    """Another flow works in this folder."""


@contextmanager
def workspace(root: Path) -> Iterator[None]:
    """Hold the folder for one flow. Raises WorkspaceBusy when another one holds it."""
    (root / LOCK).parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(root / LOCK, timeout=0):
            yield
    except Timeout as error:
        raise WorkspaceBusy(f"another flow is running in {root}; wait for it or stop it, then try again") from error
