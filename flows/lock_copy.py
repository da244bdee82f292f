"""Keeps a whole copy of dvc.lock while a flow works: DVC writes in place, so killing it can leave half of the file."""

import shutil
from pathlib import Path
from typing import Any

from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from voluptuous import Invalid

from flows.lockfile import ADDRESS_LINE, LOCK_FILE

COPY = Path(".dvc/tmp/whole.lock")


def keep(root: Path) -> None:
    """Take dvc.lock as it is for whole; there may be none."""
    if not (root / LOCK_FILE).is_file():
        drop(root)
        return
    partial = (root / COPY).with_suffix(".partial")
    shutil.copyfile(root / LOCK_FILE, partial)
    partial.replace(root / COPY)


def mend(root: Path) -> bool:
    """Put the copy back if dvc.lock was cut off since; whether it had to be."""
    if not (root / COPY).is_file() or not _is_cut(root / LOCK_FILE, root / COPY):
        return False
    shutil.copyfile(root / COPY, root / LOCK_FILE)
    return True


def drop(root: Path) -> None:
    """Forget the copy: from now on others may change dvc.lock as they like."""
    (root / COPY).unlink(missing_ok=True)


def _is_cut(path: Path, copy: Path) -> bool:
    """Whether the end of the file is missing: a kill leaves its beginning, with the entries in the copy's order.

    Entries that have only changed, by a new list of dependencies for instance, are no sign of it.
    """
    if not path.is_file():
        return True
    if path.read_bytes() == copy.read_bytes():  # reading a long one as YAML takes a second
        return False
    try:
        now, before = _addresses(path), _addresses(copy)
    except (YAMLError, ValueError, Invalid):
        return True
    if len(now) < len(before) and now == before[: len(now)]:
        return True
    last, last_before = _last_entry(path), _last_entry(copy)
    return now == before and last != last_before and last_before.startswith(last)


def _addresses(path: Path) -> list[str]:
    """The stages in the order of the file. Raises YAMLError, ValueError or Invalid when it is no whole dvc.lock."""
    content: Any = YAML(typ="safe").load(path) or {}
    return list(COMPILED_LOCKFILE_SCHEMA(content).get("stages") or {})


def _last_entry(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    starts = [found.start() for found in ADDRESS_LINE.finditer(text)]
    return text[starts[-1] :] if starts else text
