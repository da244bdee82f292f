"""dvc.lock, without importing DVC: what each stage was run with and what came out."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from snnprune.core.errors import UserError

LOCK_FILE = Path("dvc.lock")
KEY_LENGTH = 32
HEAD = "schema: '2.0'\nstages:\n"
NEXT_ENTRY = re.compile(r"^  \S", flags=re.MULTILINE)
ANCHOR = re.compile(r"(- |: )&\w")
TOP_LEVEL = re.compile(r"^\S", flags=re.MULTILINE)

Entry = Mapping[str, Any]


def read_lock(root: Path) -> dict[str, Entry]:
    """Every stage's entry by address, sorted; empty when nothing has been run yet. Raises UserError: it is damaged."""
    path = root / LOCK_FILE
    try:
        content = (YAML(typ="safe").load(path) if path.exists() else None) or {}  # an empty file is None
        stages = content.get("stages") or {}
    except (YAMLError, OSError, AttributeError) as error:
        raise UserError(f"{path}: not readable (conflict markers of a merge?); mend it: {error}") from error
    return {address: stages[address] for address in sorted(stages)}


def with_entry(text: str, entry: str) -> str | None:
    """The text of a dvc.lock with the text of one stage's entry in the place of its old one or at the end. None when
    its layout is not DVC's own, or the old entry holds an anchor, to which another may refer."""
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
