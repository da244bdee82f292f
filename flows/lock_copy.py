"""Keeps a whole copy of dvc.lock while a flow works: DVC writes in place, so killing it can leave half of the file."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml.error import YAMLError

from flows.lockfile import LOCK_FILE, Entry, read_lock

COPY = Path(".dvc/tmp/whole.lock")


def keep(root: Path) -> None:
    """Take dvc.lock as it is for whole."""
    if (root / LOCK_FILE).is_file():
        partial = (root / COPY).with_suffix(".partial")
        shutil.copyfile(root / LOCK_FILE, partial)
        partial.replace(root / COPY)


def mend(root: Path) -> bool:
    """Put the copy back if dvc.lock has lost some of it; whether it had to be."""
    if not (root / COPY).is_file() or _is_whole(root):
        return False
    shutil.copyfile(root / COPY, root / LOCK_FILE)
    return True


def drop(root: Path) -> None:
    """Forget the copy: from now on others may change dvc.lock as they like."""
    (root / COPY).unlink(missing_ok=True)


def _is_whole(root: Path) -> bool:
    """A flow only adds entries: those of the copy must be there, none of them cut short."""
    try:
        now = read_lock(root)
    except (YAMLError, ValueError, AttributeError):
        return False
    before = read_lock(root, COPY)
    return all(_size(before[address]) <= _size(now.get(address)) for address in before)


def _size(entry: Entry | None) -> int:
    """How much of an entry is there; a kill cuts off its end."""
    if not isinstance(entry, Mapping):
        return 0
    return len(entry) + sum(len(entry.get(key) or ()) for key in ("deps", "outs"))
