"""DVC's list of the files that are in use, without those that the dead left in it."""

import re
from contextlib import suppress
from pathlib import Path

import psutil


def forget_dead_holders(path: Path) -> None:
    """Remove DVC's list of the files in use when no living DVC has any; called under DVC's lock and that of the flow.
    DVC only looks whether a process of that number exists: a dead one that nobody has waited for does, and so may
    another one after a container was started again."""
    with suppress(FileNotFoundError):
        pids = re.findall(r'"pid": (\d+)', path.read_text(encoding="utf-8"))  # a killed writer may have left half of it
        if not any(_is_dvc(int(pid)) for pid in pids):
            path.unlink()


def _is_dvc(pid: int) -> bool:
    try:
        return any("dvc" in part for part in psutil.Process(pid).cmdline())  # a dead one's is empty
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
