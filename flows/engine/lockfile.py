"""dvc.lock, without importing DVC: what each stage was run with and what came out."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

LOCK_FILE = Path("dvc.lock")
KEY_LENGTH = 32
HEAD = "schema: '2.0'\nstages:\n"
NEXT_ENTRY = re.compile(r"^  \S", flags=re.MULTILINE)
ANCHOR = re.compile(r"(- |: )&id\d+$", flags=re.MULTILINE)
TOP_LEVEL = re.compile(r"^\S", flags=re.MULTILINE)

Entry = Mapping[str, Any]


class ContentChanged(RuntimeError):
    """A file or folder in the workspace is not the one that dvc.lock names."""


def read_lock(root: Path) -> dict[str, Entry]:
    """Every stage's entry by address, sorted; empty when nothing has been run yet."""
    path = root / LOCK_FILE
    if not path.is_file():
        return {}
    content = YAML(typ="safe").load(path) or {}  # an empty file is None
    stages = content.get("stages") or {}
    return {address: stages[address] for address in sorted(stages)}


def with_entry(text: str, entry: str) -> str | None:
    """The text of a dvc.lock with the text of one stage's entry in the place of its old one or at the end.

    None when its layout is not DVC's own, or the old entry holds an anchor, to which another may refer.
    """
    if not text.startswith(HEAD) or TOP_LEVEL.search(text, len(HEAD)):
        return None
    key = entry[: entry.index("\n") + 1]
    start = f"\n{text}".find(f"\n{key}")
    if start < 0:
        return text + entry
    following = NEXT_ENTRY.search(text, start + len(key))
    end = following.start() if following else len(text)
    return None if ANCHOR.search(text, start, end) else text[:start] + entry + text[end:]


def key_of(entry: Entry) -> str:
    """The identity of a result: the hash of its command, dependencies, params and outputs."""
    canonical = json.dumps(entry, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:KEY_LENGTH]


def require_content(path: Path, md5: str) -> None:
    """Check a file or folder against the MD5 in dvc.lock.

    Raises:
        ContentChanged: it is missing or differs.
    """
    if not path.exists():
        raise ContentChanged(f"{path} is missing")
    found = _folder_md5(path) if path.is_dir() else _file_md5(path)
    if found != md5:
        raise ContentChanged(f"{path} differs from what dvc.lock names")


def _file_md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()


def _folder_md5(folder: Path) -> str:
    """DVC's hash of a folder: the MD5 of the JSON list of its files' MD5s and relative paths.

    Hidden files are none of it: what DVC and a stage at work leave beside results begins with a dot (.dvcignore).
    """
    paths = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    files = {name.as_posix(): path for name, path in paths.items() if not any(p.startswith(".") for p in name.parts)}
    listing = [{"md5": _file_md5(files[name]), "relpath": name} for name in sorted(files)]
    return hashlib.md5(json.dumps(listing, sort_keys=True).encode()).hexdigest() + ".dir"
