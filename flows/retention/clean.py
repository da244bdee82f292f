"""Lists what the project no longer needs, and removes it: `snnprune clean [--yes]`.

Kept is all that dvc.lock names in the working tree, a worktree, a branch or a tag; what MLflow shows as current; and
what a registered model version was made from. So no result is lost that a branch still points to.
"""

from contextlib import ExitStack
from pathlib import Path

from flows.engine.workspace import workspace
from flows.environment import set_defaults
from flows.redact import reason_of
from flows.retention.cache import unused_cache
from flows.retention.kept import kept_hashes, kept_keys, kept_texts
from flows.retention.leftover import Leftover, size_of
from flows.retention.resume_points import stale_points
from flows.scheduled.deployments import DEPLOYMENTS, read_entries
from flows.scheduled.worktree import git
from flows.sharing.share import size_text
from flows.tracking.location import WORKTREES, project_of
from pipeline.io.matrix_file import read_stages
from snnprune.core.errors import UserError


def clean(*, yes: bool = False) -> None:
    """List superseded MLflow runs, unused files of DVC's cache, worktrees of deployments that are no more, and stale
    resume points of the project in the current folder, with number and bytes; with `yes` remove them.

    Raises:
        UserError: a flow runs here or in a worktree, this is a worktree of scheduled runs, git fails, or prefect.yaml
            or a dvc.lock is not readable; nothing is removed then.
    """
    set_defaults()
    root = Path.cwd()
    if project_of(root) != root:
        raise UserError(f"this is a worktree of scheduled runs; clean their project: cd {project_of(root)}")
    worktrees = [path for path in sorted((root / WORKTREES).glob("*")) if (path / ".git").is_file()]
    with ExitStack() as held:
        for folder in (root, *worktrees):
            held.enter_context(workspace(folder))
        _clean(root, worktrees, held, yes=yes)


def _clean(root: Path, worktrees: list[Path], held: ExitStack, *, yes: bool) -> None:
    names = {entry["name"] for entry in read_entries(root)} if (root / DEPLOYMENTS).is_file() else set()
    old = [path for path in worktrees if path.name not in names]
    stay = [root, *(path for path in worktrees if path not in old)]
    texts = kept_texts(root)
    experiments = {item["experiment"] for items in read_stages().values() for item in items.values()}
    cache = unused_cache(root, kept_hashes(texts))
    if cache is None:
        print("DVC's cache lies outside this project, perhaps also another's: left alone (dvc gc)")
    found = [
        _superseded_runs(root, kept_keys(texts), held),
        cache,
        _worktrees(root, old),
        stale_points(stay, experiments),
    ]
    leftovers = [leftover for leftover in found if leftover is not None]
    for leftover in leftovers:
        if yes:
            leftover.remove()
        print(f"{leftover.count} {leftover.what}: {size_text(leftover.size)}")
    total = size_text(sum(leftover.size for leftover in leftovers))
    print(f"removed: {total}" if yes else f"{total} can be removed: snnprune clean --yes")


def _superseded_runs(root: Path, kept: set[str], held: ExitStack) -> Leftover | None:
    """None, and a line that says why, when MLflow cannot be used. `held` then holds promotions off until they are
    removed."""
    from flows.tracking.store import ERRORS, promotion_lock  # takes seconds
    from flows.tracking.superseded import find_superseded, remove_superseded

    try:
        held.enter_context(promotion_lock(root))
        found = find_superseded(root, kept)
    except ERRORS as error:
        print(f"MLflow cannot be used, its runs are left alone: {reason_of(error)}")
        return None
    size = sum(map(size_of, found.folders))
    return Leftover("superseded MLflow runs", len(found.runs), size, lambda: remove_superseded(root, found))


def _worktrees(root: Path, old: list[Path]) -> Leftover:
    def remove() -> None:
        for path in old:
            git(root, "worktree", "remove", "--force", "--force", str(path))
        git(root, "worktree", "prune")

    return Leftover(f"worktrees without a deployment in {DEPLOYMENTS}", len(old), sum(map(size_of, old)), remove)
