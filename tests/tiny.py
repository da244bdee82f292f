"""The tiny experiment of the end-to-end tests: the project's own files with params shrunk to seconds."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline import matrix
from pipeline.studies import __all__ as STUDIES
from tests.imports import PROJECT

# What is compiled already is copied, too (Python and numba know it by its source), but not what is being written.
UNFINISHED = shutil.ignore_patterns("*.pyc.*", "*.tmp.*")
METHODS = ["cqp", "magnitude"]
SEEDS = [0, 1]
LEVELS = [0.5, 0.9]
TRAIN = {"epochs": 3, "batch_size": 128, "lr": 0.004}
FINETUNE = {"epochs": 2, "batch_size": 128, "lr": 0.004}
STUDY_BLOCKS = {
    "ann": {"levels": LEVELS},
    "layers": {"levels": LEVELS},
    "relaxation": {},
    "zombies": {"steps": 4, "every": 2},
    "staleness": {},
    "sweep": {"thresholds": [0.2, 0.8]},
    "alpha": {"values": [0.5, 1.0], "levels": [0.9], "seeds": [0]},
    "temporal": {},
    "early_exit": {"thresholds": [0.5, 0.9]},
    "fewer_steps": {
        "methods": ["cqp"],
        "levels": [0.9],
        "steps": [2],
        "finetune": {"epochs": 1, "batch_size": 64, "lr": 0.001},
        "thresholds": [0.5],
    },
    "energy": {"steps": [2]},
    "quantise": {},
    "scratch": {"methods": ["rigl", "lottery"], "levels": [0.9], "every": 5},
    "paper": {"levels": LEVELS, "rounds": 2, "finetune": {"epochs": 1, "batch_size": 64, "lr": 0.001}},
}


def tiny_params(
    methods: list[str] = METHODS, seeds: list[int] = SEEDS, studies: tuple[str, ...] = ("layers",)
) -> dict[str, Any]:
    """The project's params.yaml with only `digits`, with a small net and recipe of its own and these studies."""
    params = YAML(typ="safe").load(PROJECT / "params.yaml")
    digits = params["experiments"]["digits"]
    digits["model"].update(layers=[64, 24, 10], timesteps=4)
    digits["train"] = dict(TRAIN)
    digits["prune"] = {
        "levels": LEVELS,
        "scope": "global",
        "criticality": {"kind": "sensitivity", "batches": 2, "batch_size": 64},
        "finetune": dict(FINETUNE),
    }
    digits["methods"]["random"] = {}
    digits["export"].update(targets=["csr"], nets=["dense"])
    blocks = {name: block for name, block in digits.items() if name not in STUDIES}
    params["experiments"] = {"digits": blocks | {study: STUDY_BLOCKS[study] for study in studies}}
    params["matrix"] = {"digits": {"methods": methods, "seeds": seeds}}
    return params


def write_params(folder: Path, params: dict[str, Any]) -> None:
    """Write params.yaml into `folder`, and the matrix.yaml that fits it."""
    YAML().dump(params, folder / "params.yaml")
    matrix.update(folder / "params.yaml", folder / "matrix.yaml")


def make_repository(folder: Path) -> Path:
    """A git and DVC repository with the project's code and pipeline, and tiny params."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("snnprune", "pipeline", "flows"):
        shutil.copytree(PROJECT / name, folder / name, ignore=UNFINISHED)
    (folder / ".dvc").mkdir()
    for name in ("dvc.yaml", ".gitignore", ".dvcignore", ".dvc/config"):
        shutil.copy(PROJECT / name, folder / name)
    write_params(folder, tiny_params())
    run(folder, "git", "init", "--quiet")
    commit(folder)
    return folder


def commit(folder: Path) -> None:
    """Commit all changes there."""
    run(folder, "git", "add", ".")
    run(folder, "git", "-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "--quiet", "-m", "all")


def environment(folder: Path) -> dict[str, str]:
    """This interpreter first on the path, telemetry off, Prefect's files inside `folder`, no server of the user's."""
    kept = {name: value for name, value in os.environ.items() if name not in ("MLFLOW_TRACKING_URI", "PREFECT_API_URL")}
    return {
        **kept,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "DVC_NO_ANALYTICS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_HOME": str(folder / ".prefect"),
    }


def run(folder: Path, *command: str, **variables: str) -> str:
    """Run a command in `folder`; its output, or an AssertionError with it when the command fails."""
    told = environment(folder) | variables
    done = subprocess.run(command, cwd=folder, env=told, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout}"
    return done.stdout


def result_files(folder: Path) -> dict[str, bytes]:
    """Path -> content of every result file."""
    files = sorted(path for path in (folder / "results").rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
