"""One flow per workspace: its lock, and clearing what a killed DVC left behind."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from flows import lock_copy

LOCK = Path(".dvc/tmp/flow.lock")
DVC_RWLOCK = Path(".dvc/tmp/rwlock")


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
            _clear_rwlock(root / DVC_RWLOCK)
            lock_copy.mend(root)
            lock_copy.keep(root)
            try:
                yield
            finally:
                lock_copy.mend(root)
                lock_copy.drop(root)
    except Timeout as error:
        raise WorkspaceBusy(f"another flow is running in {root}; wait for it or stop it, then try again") from error


def _clear_rwlock(path: Path) -> None:
    """Remove DVC's list of files in use when no DVC process on it is alive.

    DVC itself looks only at the process ids on the list, and those of a killed container come back as others.
    """
    if path.is_file() and not any(_is_dvc(holder["pid"]) for holder in _holders(path)):
        path.unlink()


def _holders(path: Path) -> list[dict[str, Any]]:
    try:
        lists = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError:  # its writer was killed
        return []
    readers = [holder for holders in lists.get("read", {}).values() for holder in holders]
    return [*readers, *lists.get("write", {}).values()]


def _is_dvc(pid: int) -> bool:
    try:
        return any("dvc" in part for part in psutil.Process(pid).cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
