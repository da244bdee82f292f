"""The nets and tables of earlier stages. What is missing is a UserError that names the stage which makes it."""

from pathlib import Path

import pandas as pd

from pipeline.io import paths
from pipeline.io.entry import required
from pipeline.io.nets import DENSE
from pipeline.io.params import Matrix
from pipeline.io.tables import read_table


def net_file(experiment: str, method: str, seed: int, level: float) -> Path:
    """The file of a net."""
    if method == DENSE:
        return required(paths.dense_file(experiment, seed), f"train@{experiment}-{seed}")
    return required(paths.net_file(experiment, method, seed, level), f"prune@{experiment}-{method}-{seed}")


def levels_of(experiment: str, method: str, seed: int) -> pd.DataFrame:
    """What a method made of a dense net, a row per level."""
    file = paths.prune_folder(experiment, method, seed) / "levels.csv"
    return read_table(file, f"prune@{experiment}-{method}-{seed}")


def nets_of(experiment: str, matrix: Matrix, *, pruned: bool = True) -> list[tuple[str, int, float]]:
    """Method, seed and level of every dense net, then, where they are wanted, of every pruned one."""
    return [(DENSE, seed, 0.0) for seed in matrix.seeds] + [
        (method, seed, level)
        for method in (matrix.methods if pruned else ())
        for seed in matrix.seeds
        for level in levels_of(experiment, method, seed)["level"].tolist()
    ]


def study_table(experiment: str, study: str) -> pd.DataFrame:
    """The rows that one study measured."""
    return read_table(paths.table_file(experiment, study), f"study@{experiment}-{study}")
