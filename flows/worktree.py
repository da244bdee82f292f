"""A folder of its own for scheduled runs, so that a person can edit meanwhile: a git worktree with the project's cache.

`python -m flows.worktree --name nightly` brings `.worktrees/nightly` to the project's current commit and prints where
it is. The resume points of an interrupted run stay there, so that the next one goes on from them.
"""

import argparse
import configparser
import os
import subprocess
import sys
from pathlib import Path

from dvc.repo import Repo

from flows.workspace import WorkspaceBusy, workspace

FOLDER = Path(".worktrees")
RAW = Path("data/raw")
SHARED = Path("../shared")
KEPT = ("/.dvc/", "/.resume/", f"/{RAW}", "__pycache__/")  # by `git clean`; results come back from the cache


class WorktreeError(RuntimeError):
    """Git could not make the folder; the message holds what it said."""


def prepare(root: Path, name: str, commit: str = "HEAD") -> Path:
    """Bring the worktree of that name to a commit of the project in `root`, and return its folder.

    Nothing of an earlier run is left but its resume points: results are in the cache, from where DVC takes them.

    Raises:
        WorkspaceBusy: a flow runs in it.
        WorktreeError: there is no such commit, or git fails.
    """
    found = _git(root, "rev-parse", "--verify", f"{commit}^{{commit}}")
    folder = root / FOLDER / name
    if (folder / ".git").is_file():
        with workspace(folder):
            _git(folder, "checkout", "--force", "--detach", "--quiet", found)
            _git(folder, "clean", "--quiet", "-ffdx", *(f"--exclude={kept}" for kept in KEPT))
    else:
        _git(root, "worktree", "prune")
        _git(root, "worktree", "add", "--force", "--detach", "--quiet", str(folder), found)
    _share_cache(root, folder)
    (root / RAW).mkdir(parents=True, exist_ok=True)  # a run's downloads are the project's
    for path in (RAW, SHARED):
        _link(folder / path, (root / path).resolve())
    return folder


def main(arguments: list[str] | None = None) -> int:
    """The command line; run in the project's folder. Exit code 1 and `error: ...` for what a user can put right."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.worktree", description="Prepare a folder for scheduled runs."
    )
    parser.add_argument("--name", required=True, help="what it is called below .worktrees")
    parser.add_argument("--commit", default="HEAD", help="a commit, branch or tag (default: what is checked out)")
    options = parser.parse_args(arguments)
    try:
        print(prepare(Path.cwd(), options.name, options.commit))
    except (WorkspaceBusy, WorktreeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _link(link: Path, target: Path) -> None:
    if target.is_dir() and not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)  # one that leads nowhere any more
        link.symlink_to(target)


def _share_cache(root: Path, folder: Path) -> None:
    """The project's own local settings of DVC, such as remotes, with its cache as the one to use."""
    config = configparser.ConfigParser(interpolation=None)
    local = Path(".dvc/config.local")
    config.read(root / local)
    if not config.has_section("cache"):
        config.add_section("cache")
    config.set("cache", "dir", Repo(str(root)).cache.local_cache_dir)  # absolute, whichever file says so
    with (folder / local).open("w", encoding="utf-8") as stream:
        config.write(stream)


def _git(root: Path, *arguments: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "-c", f"core.hooksPath={os.devnull}", *arguments]  # `dvc install` has DVC run at each checkout
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise WorktreeError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
