"""A tiny project for the studies: a made dataset, dense nets of two seeds and their pruned ones, by the stages."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.io import paths
from pipeline.io.store import save_dataset
from pipeline.stages import prune, train
from snnprune.core.network import SpikingNetwork

Dense = Callable[[], SpikingNetwork]  # the fixtures `dense` and `measure` of the studies
Measure = Callable[..., pd.DataFrame]
LEVELS = [0.5, 0.9]
SEEDS = [0, 1]
SCRATCH = ["random_static", "set", "rigl", "snip", "synflow", "lottery"]
FINETUNE = {"epochs": 1, "batch_size": 20, "lr": 0.005}
PARAMS: dict[str, Any] = {
    "matrix": {"tiny": {"methods": ["cqp", "magnitude"], "seeds": SEEDS}},
    "runtime": {"threads": 1, "device": "cpu"},
    "experiments": {
        "tiny": {
            "data": {"dataset": "digits", "validation": 0.2, "test": 0.2, "split_seed": 0},
            "model": {"layers": [16, 16, 12, 3], "timesteps": 5, "dropout": 0.05},
            "train": {"epochs": 10, "batch_size": 10, "lr": 0.02},
            "prune": {
                "levels": LEVELS,
                "criticality": {"kind": "sensitivity", "batches": 2, "batch_size": 20},
                "finetune": FINETUNE,
            },
            "methods": {"cqp": {"alpha": 0.5}, "magnitude": {}, "osqp": {}, "random": {}},
            "ann": {"levels": LEVELS},
            "layers": {"levels": LEVELS},
            "relaxation": {"tau": 0.3},
            "zombies": {"level": 0.5, "steps": 5, "every": 2},
            "staleness": {"above": 0.5},
            "sweep": {"thresholds": [0.0, 0.3, 0.6, 1.0]},
            "alpha": {"values": [0.0, 1.0], "levels": [0.9], "seeds": SEEDS},
            "paper": {"levels": LEVELS, "rounds": 2, "batches": 2, "finetune": FINETUNE},
            "temporal": {"epsilon": 0.3, "delta": 0.1},
            "early_exit": {"thresholds": [0.0, 0.4, 0.8, 1.0], "delta": 0.1},
            "fewer_steps": {
                "methods": ["cqp"],
                "levels": [0.5],
                "steps": [2, 3],
                "finetune": FINETUNE,
                "thresholds": [0.0, 0.4, 0.8],
                "delta": 0.1,
            },
            "energy": {"steps": [2, 4], "max_loss": 0.1},
            "quantise": {"finetune": {**FINETUNE, "methods": ["cqp"], "levels": [0.9]}},
            "scratch": {"methods": SCRATCH, "levels": [0.9], "seeds": SEEDS, "every": 7, "rewind": 2},
        }
    },
}
SIZES = {"layers.1.weight": 256, "layers.4.weight": 192, "layers.7.weight": 36}
SYNAPSES = 484


def write_params(*changes: tuple[str, Any]) -> None:
    """Write params.yaml (JSON is YAML) into the working directory, with keys such as `sweep.level` of it changed.

    The value None takes the key away.
    """
    params = copy.deepcopy(PARAMS)
    for key, value in changes:
        *parents, last = key.split(".")
        block = params["experiments"]["tiny"]
        for parent in parents:
            block = block[parent]
        block[last] = value
        if value is None:
            del block[last]
    Path("params.yaml").write_text(json.dumps(params), encoding="utf-8")


def made_split(samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy copies of three patterns of 4 x 4 pixels in 0..16."""
    patterns = np.random.default_rng(99).integers(0, 7, (3, 4, 4))
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, samples)
    return (patterns[labels] + rng.integers(0, 10, (samples, 4, 4))).astype(np.uint8), labels


def save_splits(**changes: tuple[np.ndarray, np.ndarray]) -> None:
    """Store the dataset, with some of its splits changed."""
    splits = {"train": made_split(60, 0), "validation": made_split(30, 1), "test": made_split(30, 2)} | changes
    save_dataset(paths.data_folder("tiny"), name="patterns", classes=3, scale=16, splits=splits)


def contents(folder: Path) -> dict[str, bytes]:
    """Path in `folder` -> content of every file."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def make_project() -> None:
    """Fill the working directory: params, data, dense nets, pruned nets."""
    write_params()
    save_splits()
    for seed in map(str, SEEDS):
        train.main(["tiny", seed])
        for method in PARAMS["matrix"]["tiny"]["methods"]:
            prune.main(["tiny", method, seed])
