"""The folder of an export: whose it is, and how its files are replaced. `card.json` says of which net it is."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snnprune.core.errors import UserError
from snnprune.core.files import replace
from snnprune.export.card import JSON, MARKDOWN

SOURCE = "source"
PARTIAL = ".partial"  # what `replace` leaves where it was ended by force


def source_of(file: Path, folder: Path) -> str:
    """The net's file, seen from the folder: the same wherever both are moved to."""
    return os.path.relpath(file, folder)


def require_free(folder: Path, file: Path) -> None:
    """Check that an export of the net in `file` may go there: to a new or empty folder, or over an export of that file.
    Raises UserError: the folder holds an export of another net or anything else, or there is a file in its place."""
    if wrong := next((path for path in (folder, *folder.parents) if path.exists() and not path.is_dir()), None):
        raise UserError(f"{wrong}: is a file, but {folder} needs a folder there; name another with --out")
    if not folder.is_dir() or not (held := sorted(path.name for path in folder.iterdir() if path.suffix != PARTIAL)):
        return
    source = _source(folder / JSON)
    if source == source_of(file, folder):
        return
    other = None if source is None else os.path.relpath(folder / source)
    files = f"{held[0]}, but no {JSON} that names the net of an export"
    there = files if other is None else f"an export of another net, {other}"
    raise UserError(f"{folder}: holds {there}; remove the folder, or name another with --out")


def fill(folder: Path, file: Path, files: Mapping[str, bytes], card: Mapping[str, bytes]) -> None:
    """Write an export and its card. Until all files are there, `card.json` says that they are not."""
    unfinished = {SOURCE: source_of(file, folder), "unfinished": True}
    _write(folder, {JSON: (json.dumps(unfinished, indent=2) + "\n").encode()})
    (folder / MARKDOWN).unlink(missing_ok=True)
    _write(folder, files)
    _write(folder, {name: card[name] for name in (MARKDOWN, JSON)})


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        replace(folder / name, lambda partial, content=content: partial.write_bytes(content))


def _source(card: Path) -> str | None:
    """Of which file a card is, as `source_of`; None: there is none of ours."""
    try:
        found: Any = json.loads(card.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    source = found.get(SOURCE) if isinstance(found, dict) else None
    return source if isinstance(source, str) else None
