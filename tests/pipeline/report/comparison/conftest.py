"""A comparison made by hand: two methods, two levels, two seeds."""

import pandas as pd
import pytest

from pipeline.report.comparison.summary import tidy_table
from tests.pipeline.report.tables import levels_table, nets_table

Levels = dict[tuple[str, int], pd.DataFrame]

LEVELS = (0.5, 0.9)
# (method, seed) -> test accuracy at both levels; osqp's mask keeps 5 of 100 synapses at level 0.9.
ACCURACIES = {
    ("magnitude", 0): (0.96, 0.90),
    ("magnitude", 1): (0.94, 0.80),
    ("osqp", 0): (0.96, 0.70),
    ("osqp", 1): (0.95, 0.50),
}
KEPT = {"magnitude": (50, 10), "osqp": (50, 5)}


@pytest.fixture
def dense() -> dict[int, dict[str, float]]:
    return {0: {"validation_accuracy": 0.99, "loss": 0.1}, 1: {"validation_accuracy": 0.97, "loss": 0.2}}


@pytest.fixture
def levels() -> Levels:
    return {net: levels_table(LEVELS, KEPT[net[0]], 100, accuracies) for net, accuracies in ACCURACIES.items()}


@pytest.fixture
def evaluated() -> pd.DataFrame:
    """The dense nets at 0.98 and 0.96, the others as in `ACCURACIES`."""
    dense = {("dense", 0, 0.0): 0.98, ("dense", 1, 0.0): 0.96}
    pairs = {net: zip(LEVELS, accuracies, strict=True) for net, accuracies in ACCURACIES.items()}
    return nets_table(dense | {(*net, level): value for net, values in pairs.items() for level, value in values})


@pytest.fixture
def table(dense: dict[int, dict[str, float]], levels: Levels, evaluated: pd.DataFrame) -> pd.DataFrame:
    """The tidy table of all of it."""
    return tidy_table("made", dense, levels, evaluated)


@pytest.fixture
def on_target(table: pd.DataFrame) -> pd.DataFrame:
    """The same accuracies, of masks that keep as many synapses as asked."""
    return table.assign(nnz=table["keep"])
