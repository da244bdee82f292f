"""Writes a minimal project for `snnprune init`: its params.yaml and prefect.yaml beside this file, the rest this
project's own files."""

import contextlib
import importlib.metadata
import io
import re
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

from pipeline.matrix import update
from snnprune.core.errors import UserError

HERE = Path(__file__).parent
PIN = "requirements.txt"  # what stages depend on instead of code: the version of the package that holds it
CODE = re.compile(r"(snnprune|pipeline|flows)(/|$)|\$\{item\.code\}$")  # and the slot that names some


def write_project(folder: Path) -> None:
    """Write the files and make the folder a repository of git and DVC, where it is none yet. Raises UserError: a file
    that would be written is there already, or git or DVC fails."""
    own = HERE if (HERE / "dvc.yaml").is_file() else HERE.parents[1]  # in a wheel, else in the source tree
    texts = {
        **{name: (HERE / name).read_text(encoding="utf-8") for name in ("params.yaml", "prefect.yaml")},
        "dvc.yaml": without_code((own / "dvc.yaml").read_text(encoding="utf-8")),
        PIN: f"snnprune[pipeline]=={importlib.metadata.version('snnprune')}\n",
        **{name: (own / name).read_text(encoding="utf-8") for name in (".gitignore", ".dvcignore")},
    }
    for name in texts:
        if (folder / name).exists():
            raise UserError(f"{folder / name}: is there already; `snnprune init` writes into a new or empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    with contextlib.chdir(folder):
        update()
        if subprocess.run(["git", "rev-parse"], capture_output=True).returncode:
            _call("git", "init", "--quiet")
        if not Path(".dvc").is_dir():
            below = [] if Path(".git").exists() else ["--subdir"]  # a folder of a larger repository
            _call(sys.executable, "-m", "dvc", "init", "--quiet", *below)


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{' '.join(command)} failed in {Path.cwd()}: {done.stderr.strip()}")


def without_code(text: str) -> str:
    """A dvc.yaml whose stages depend on the pinned version instead of code, without plots of named experiments."""
    yaml = YAML()
    yaml.width = 200
    tree = yaml.load(text)
    tree.pop("plots", None)
    for stage in tree["stages"].values():
        body = stage.get("do", stage)
        body["deps"] = [PIN, *(dep for dep in body["deps"] if not CODE.match(dep))]
    stream = io.StringIO()
    yaml.dump(tree, stream)
    return stream.getvalue()
