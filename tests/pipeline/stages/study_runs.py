"""Runs studies in the working directory and reads what they wrote."""

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from pipeline.io import paths

# Study -> the function that computes (part of) a seed's rows, as its stage calls it.
ROWS = {
    "layers": "layer_rows",
    "relaxation": "relaxation_rows",
    "zombies": "zombie_rows",
    "staleness": "frozen_rows",
    "sweep": "sweep_rows",
    "alpha": "alpha_rows",
    "paper": "paper_rows",
    "temporal": "temporal_rows",
    "early_exit": "early_exit_rows",
    "energy": "energy_rows",
}


def stage(study: str) -> ModuleType:
    return importlib.import_module(f"pipeline.stages.{study}")


def run(study: str) -> Path:
    stage(study).main(["--experiment", "tiny"])
    return paths.studies_folder("tiny", study)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def table(study: str, name: str = "table") -> pd.DataFrame:
    return pd.read_csv(paths.studies_folder("tiny", study) / f"{name}.csv")


def summary(study: str) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    path = paths.studies_folder("tiny", study) / "summary.json"
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
