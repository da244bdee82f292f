"""A folder of its own for each deployment's runs, so that a person can edit meanwhile: a git worktree.

`python -m flows.scheduled.worktree nightly` brings `.worktrees/nightly` to the project's current commit and prints the
folder. It shares the project's DVC cache and downloads, and runs in it are logged to the project's MLflow store. The
resume points of an interrupted run stay there, so that the next run goes on from them.
"""

import configparser
import os
import subprocess
import sys
from pathlib import Path

from flows.engine.dvc import cache_folder
from flows.engine.workspace import workspace
from flows.tracking.location import WORKTREES
from pipeline.io.entry import run_stage
from snnprune.core.errors import UserError

RAW = Path("data/raw")
KEPT = ("/.dvc/", "/.resume/", "__pycache__/")  # by `git clean`; results come back from the cache


def prepare(root: Path, name: str) -> Path:
    """Bring the worktree of that name to the current commit of the project in `root`, and return its folder. Nothing of
    an earlier run is left but its resume points: results are in the cache, from where DVC takes them. Raises UserError:
    a flow runs in it, it is no DVC project, lies in a larger repository or has no commit, or git fails."""
    if git(root, "rev-parse", "--show-prefix"):
        raise UserError(
            f"{root} is a folder of a larger git repository; deployments need a project at the top of its own"
        )
    commit = commit_of(root)
    folder = root / WORKTREES / name
    if (folder / ".git").is_file():
        with workspace(folder):
            git(folder, "checkout", "--force", "--detach", "--quiet", commit)
            git(folder, "clean", "--quiet", "-ffdx", *(f"--exclude={kept}" for kept in KEPT))
    else:
        git(root, "worktree", "add", "--force", "--detach", "--quiet", str(folder), commit)
    local = configparser.ConfigParser(interpolation=None)  # the project's own settings of DVC, such as remotes
    local.read(root / ".dvc/config.local")
    local.read_dict({"cache": {"dir": cache_folder(root)}})
    with (folder / ".dvc/config.local").open("w", encoding="utf-8") as stream:
        local.write(stream)
    (root / RAW).mkdir(parents=True, exist_ok=True)
    (folder / RAW).parent.mkdir(exist_ok=True)
    (folder / RAW).symlink_to((root / RAW).resolve())  # a run's downloads are the project's
    return folder


def commit_of(root: Path) -> str:
    """The commit that is checked out. Raises UserError: there is none yet, or git fails."""
    try:
        return git(root, "rev-parse", "--verify", "HEAD^{commit}")
    except UserError as error:
        if "Needed a single revision" in str(error):
            raise UserError(f"{root} has no commit yet; git add . && git commit") from error
        raise


def git(root: Path, *arguments: str) -> str:
    """What git prints, run in `root`, whatever git's own variables say and without hooks. Raises UserError."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "-c", f"core.hooksPath={os.devnull}", *arguments]  # `dvc install` has DVC run at each checkout
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise UserError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    run_stage(lambda: print(prepare(Path.cwd(), sys.argv[1])))
