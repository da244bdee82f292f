"""A folder of its own for each deployment's runs, so that a person can edit meanwhile: a git worktree.

`python -m flows.scheduled.worktree nightly` brings `.worktrees/nightly` to the project's current commit and prints, as
JSON, the folder and the environment of a run in it. It shares the project's DVC cache, MLflow store and downloads. The
resume points of an interrupted run stay there, so that the next run goes on from them.
"""

import configparser
import json
import os
import subprocess
import sys
from pathlib import Path

from flows.engine.dvc import cache_folder
from flows.engine.workspace import WorkspaceBusy, workspace
from flows.environment import PROJECT_VARIABLE
from flows.tracking.location import local_database, local_uri
from pipeline.data.sources import ENVIRONMENT_VARIABLE as DATA_VARIABLE
from snnprune.core.errors import UserError

FOLDER = Path(".worktrees")
RAW = Path("data/raw")
KEPT = ("/.dvc/", "/.resume/", "__pycache__/")  # by `git clean`; results come back from the cache


def prepare(root: Path, name: str) -> Path:
    """Bring the worktree of that name to the current commit of the project in `root`, and return its folder.

    Nothing of an earlier run is left but its resume points: results are in the cache, from where DVC takes them.

    Raises:
        WorkspaceBusy: a flow runs in it.
        UserError: the project has no commit, or git fails.
    """
    commit = _git(root, "rev-parse", "--verify", "HEAD^{commit}")
    folder = root / FOLDER / name
    if (folder / ".git").is_file():
        with workspace(folder):
            _git(folder, "checkout", "--force", "--detach", "--quiet", commit)
            _git(folder, "clean", "--quiet", "-ffdx", *(f"--exclude={kept}" for kept in KEPT))
    else:
        _git(root, "worktree", "add", "--force", "--detach", "--quiet", str(folder), commit)
    _share_cache(root, folder)
    (root / RAW).mkdir(parents=True, exist_ok=True)
    (folder / RAW).parent.mkdir(exist_ok=True)
    (folder / RAW).symlink_to((root / RAW).resolve())  # a run's downloads are the project's
    return folder


def is_for_runs(folder: Path) -> bool:
    """Whether a folder is such a worktree: what is changed in it is in nobody's way, and gone with the next run."""
    return (folder / ".git").is_file() and folder.resolve().parent.name == FOLDER.name


def run_environment(root: Path) -> dict[str, str]:
    """What a run in a worktree needs to find the project's own MLflow store and data."""
    database = local_database(root)
    data = os.environ.get(DATA_VARIABLE)
    return {
        PROJECT_VARIABLE: str(root),
        **({"MLFLOW_TRACKING_URI": local_uri(database)} if database else {}),
        **({DATA_VARIABLE: str((root / data).resolve())} if data else {}),
    }


def main(name: str) -> int:
    """The command line; run in the project's folder. Exit code 1 and `error: ...` for what a user can put right."""
    root = Path.cwd()
    try:
        folder = prepare(root, name)
    except (WorkspaceBusy, UserError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps({"folder": str(folder), "environment": run_environment(root)}))
    return 0


def _share_cache(root: Path, folder: Path) -> None:
    """The project's own local settings of DVC, such as remotes, with its cache as the one to use."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(root / ".dvc/config.local")
    config.read_dict({"cache": {"dir": cache_folder(root)}})
    with (folder / ".dvc/config.local").open("w", encoding="utf-8") as stream:
        config.write(stream)


def _git(root: Path, *arguments: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "-c", f"core.hooksPath={os.devnull}", *arguments]  # `dvc install` has DVC run at each checkout
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise UserError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
