"""Which git commit is checked out, as tags of a run."""

import subprocess
from pathlib import Path

COMMIT_TAG = "git_commit"
DIRTY_TAG = "git_dirty"


def commit_tags(root: Path) -> dict[str, str]:
    """The commit, and whether tracked files differ from it; nothing without a commit.

    A result that was there before may come from an earlier commit: what made it is in its dvc.lock entry (`dvc_hash`).
    """
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return {}
    changes = _git(root, "--no-optional-locks", "status", "--porcelain", "--untracked-files=no")
    return {COMMIT_TAG: commit, DIRTY_TAG: "true" if changes else "false"}


def _git(root: Path, *arguments: str) -> str | None:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None
