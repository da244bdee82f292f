"""Files in DVC's cache that no kept dvc.lock names, and entries of its run cache that need one of these.

`dvc gc` asks DVC to read dvc.yaml of every branch, and fails where an old one does not parse; and it takes what other
worktrees name for unused. A cache outside the project may be another's, too: it is left alone.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from flows.engine.dvc import cache_folder
from flows.retention.kept import HASH
from flows.retention.leftover import Leftover

FOLDER = ".dir"  # ends the name of a list of a folder's files
PART = re.compile(r"[0-9a-f]{2}")


def unused_cache(root: Path, kept: set[str]) -> Leftover | None:
    """What is unused when these hashes are kept; None for a cache outside the project. Raises UserError: this is no DVC
    project."""
    cache = Path(cache_folder(root))
    if not cache.is_relative_to(root.resolve()):
        return None
    wanted = kept | {value for name in kept if name.endswith(FOLDER) for value in _listed(cache, name)}
    files = [path for path in _objects(cache) if path.parent.name + path.name not in wanted]
    gone = {path.parent.name + path.name for path in files}
    runs = [
        path for path in (cache / "runs").glob("??/*/*") if gone.intersection(HASH.findall(path.read_text("utf-8")))
    ]

    def remove() -> None:
        for path in [*runs, *files]:  # a run that lacks its files would be found, and fail
            path.unlink()

    paths = [*files, *runs]
    return Leftover(
        "files in DVC's cache that no dvc.lock names", len(paths), sum(p.stat().st_size for p in paths), remove
    )


def _objects(cache: Path) -> Iterator[Path]:
    for part in sorted((cache / "files/md5").glob("??")):
        if PART.fullmatch(part.name):
            yield from sorted(path for path in part.iterdir() if path.is_file())


def _listed(cache: Path, name: str) -> list[str]:
    """The hashes of the files in a folder; none when its list is not in the cache: it comes back with them."""
    path = cache / "files/md5" / name[:2] / name[2:]
    return [entry["md5"] for entry in json.loads(path.read_text("utf-8"))] if path.is_file() else []
