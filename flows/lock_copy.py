"""Keeps a whole copy of dvc.lock while a flow works: DVC writes in place, so killing it can leave half of the file."""

import shutil
from pathlib import Path

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

    Entries that have only changed, by a new list of dependencies for instance, are no sign of it. Of a long file only
    the last entry is read as YAML, for that of all takes a moment in which no DVC can work.
    """
    if not path.is_file():
        return True
    text, text_before = path.read_text(encoding="utf-8"), copy.read_text(encoding="utf-8")
    if text == text_before:
        return False
    now, before = ADDRESS_LINE.findall(text), ADDRESS_LINE.findall(text_before)
    last, last_before = _last_entry(text), _last_entry(text_before)
    if not _is_valid(last) or (len(now) < len(before) and now == before[: len(now)]):
        return True
    return now == before and last != last_before and last_before.startswith(last)


def _is_valid(entry: str) -> bool:
    try:
        COMPILED_LOCKFILE_SCHEMA({"schema": "2.0", "stages": YAML(typ="safe").load(entry) or {}})
    except (YAMLError, ValueError, Invalid):
        return False
    return True


def _last_entry(text: str) -> str:
    """The text of the last entry, empty when there is none."""
    starts = [found.start() for found in ADDRESS_LINE.finditer(text)]
    return text[starts[-1] :] if starts else ""
