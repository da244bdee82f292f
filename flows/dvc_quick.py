"""`python dvc_quick.py ...` is `dvc ...`, but dvc.lock is rewritten only where a stage's entry is.

After every stage DVC parses and writes the whole file, and no other DVC can work meanwhile: with the hundred stages of
several experiments that takes seconds a stage. The bytes are those that DVC writes.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dvc.dvcfile import Lockfile
from dvc.stage.serialize import to_lockfile
from dvc.utils.serialize import dumps_yaml

HEAD = "schema: '2.0'\nstages:\n"
NEXT_ENTRY = re.compile(r"^  \S", flags=re.MULTILINE)
TOP_LEVEL = re.compile(r"^\S", flags=re.MULTILINE)

dump_whole = Lockfile.dump_stages


def dump_entries(lockfile: Lockfile, stages: Sequence[Any], **options: Any) -> None:
    """What `Lockfile.dump_stages` does, on the text; a link, and another layout than DVC's own, are left to that."""
    path = Path(lockfile.path)
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if path.is_symlink() or not text.startswith(HEAD) or TOP_LEVEL.search(text, len(HEAD)):
        dump_whole(lockfile, stages, **options)
        return
    updated = text
    for stage in stages:
        updated = with_entry(updated, to_lockfile(stage, **options))
    if updated != text:
        partial = Path(lockfile.repo.tmp_dir) / "dvc.lock.partial"
        partial.write_text(updated, encoding="utf-8")
        partial.replace(path)
        lockfile.repo.scm_context.track_file(lockfile.relpath)


def with_entry(text: str, entry: dict[str, Any]) -> str:
    """The text of a dvc.lock with one stage's entry, `{address: ...}`, in the place of its old one or at the end."""
    new = dumps_yaml({"stages": entry}).removeprefix("stages:\n")
    key = new[: new.index("\n") + 1]
    start = f"\n{text}".find(f"\n{key}")
    if start < 0:
        return text + new
    following = NEXT_ENTRY.search(text, start + len(key))
    return text[:start] + new + (text[following.start() :] if following else "")


if __name__ == "__main__":
    from dvc.cli import main

    Lockfile.dump_stages = dump_entries
    sys.exit(main(sys.argv[1:]))
