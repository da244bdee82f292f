"""One flow per workspace: its lock, and clearing what a killed DVC left behind."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from flows import lock_copy
from flows.rwlock import clear_rwlock

LOCK = Path(".dvc/tmp/flow.lock")


class WorkspaceBusy(RuntimeError):
    """Another flow works in this folder."""


@contextmanager
def workspace(root: Path) -> Iterator[None]:
    """Hold the folder for one flow. What a killed one left behind is cleared; a copy of dvc.lock is kept meanwhile.

    Raises:
        WorkspaceBusy: another flow holds it.
    """
    (root / LOCK).parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(root / LOCK, timeout=0):
            clear_rwlock(root)
            lock_copy.mend(root)
            lock_copy.keep(root)
            try:
                yield
            finally:
                lock_copy.mend(root)
                lock_copy.drop(root)
    except Timeout as error:
        raise WorkspaceBusy(f"another flow is running in {root}; wait for it or stop it, then try again") from error
