"""Resume points that no stage will find again: of earlier settings, inputs or code of a stage that was interrupted
again since, and of experiments that params.yaml no longer has."""

import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from flows.retention.leftover import Leftover, size_of
from pipeline.io.resume import FOLDER

POINTS = "*.pt"


def stale_points(folders: Collection[Path], experiments: Collection[str]) -> Leftover:
    """Those in the project's folder and its worktrees, when these are all experiments."""
    stale = [path for root in folders for path in _stale(root / FOLDER, experiments)]
    count = sum(len(list(path.rglob(POINTS))) for path in stale)

    def remove() -> None:
        for path in stale:
            shutil.rmtree(path)

    return Leftover("stale resume points", count, sum(map(size_of, stale)), remove)


def _stale(folder: Path, experiments: Collection[str]) -> Iterator[Path]:
    """`<stage>/<experiment>/...` of experiments that are no more, and all but the newest folder beside each other that
    hold points (`shared` has its points in one)."""
    gone = [path for path in sorted(folder.glob("*/*")) if path.is_dir() and path.name not in experiments]
    yield from gone
    holders: dict[Path, list[Path]] = {}
    for holder in sorted({point.parent for point in folder.rglob(POINTS)}):
        if not any(holder.is_relative_to(path) for path in gone) and holder.relative_to(folder).parts[0] != "shared":
            holders.setdefault(holder.parent, []).append(holder)
    for together in holders.values():
        newest = max(together, key=lambda path: max(point.stat().st_mtime_ns for point in path.glob(POINTS)))
        yield from (path for path in together if path != newest)
