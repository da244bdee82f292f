"""Keeps the results of a narrowed run (`flows.narrow`) apart from the standard ones in MLflow.

They have an MLflow experiment of their own and say what was narrowed. A file in the worktree tells that it is narrowed;
it goes when the worktree is prepared for the next run.
"""

from collections.abc import Mapping
from pathlib import Path

NOTE = Path(".narrowed.json")
TAG = "narrowed"
SUFFIX = ".narrowed"  # no experiment in params.yaml can be called so: a dot is not allowed


def tags(root: Path) -> Mapping[str, str]:
    """`narrowed`: the JSON of the methods, levels or seeds that were changed; nothing in a folder as it should be."""
    note = root / NOTE
    return {TAG: note.read_text(encoding="utf-8").strip()} if note.is_file() else {}


def mlflow_name(experiment: str, root: Path) -> str:
    """The MLflow experiment that shows what is computed in this folder."""
    return f"{experiment}{SUFFIX}" if (root / NOTE).is_file() else experiment
