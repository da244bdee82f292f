"""A comparison made by hand: two methods, two levels, two seeds."""

import pandas as pd
import pytest

from pipeline.report.comparison.summary import COUNTS, tidy_table

Levels = dict[tuple[str, int], pd.DataFrame]

# (method, seed) -> test accuracy at level 0.5 and 0.9; osqp's mask keeps 5 of 100 synapses at level 0.9.
ACCURACIES = {
    ("magnitude", 0): (0.96, 0.90),
    ("magnitude", 1): (0.94, 0.80),
    ("osqp", 0): (0.96, 0.70),
    ("osqp", 1): (0.95, 0.50),
}
KEPT = {"magnitude": (50, 10), "osqp": (50, 5)}


def frame(accuracies: tuple[float, ...], kept: tuple[int, ...], levels: tuple[float, ...] = (0.5, 0.9)) -> pd.DataFrame:
    """A prune stage's `levels.csv` over 100 synapses."""
    return pd.DataFrame(
        {
            "protocol": "fair",
            "level": levels,
            "sparsity": [1 - count / 100 for count in kept],
            "keep": [round(100 * (1 - level)) for level in levels],
            "nnz": kept,
            "synapses": 100,
            "validation_accuracy_before": [value - 0.25 for value in accuracies],
            "validation_accuracy": [value + 0.01 for value in accuracies],
            "one_shot_sparsity": [1 - 0.75 * count / 100 for count in kept],
            "timesteps": 10,
        }
    )


@pytest.fixture
def dense() -> dict[int, dict[str, float]]:
    return {0: {"validation_accuracy": 0.99, "loss": 0.1}, 1: {"validation_accuracy": 0.97, "loss": 0.2}}


@pytest.fixture
def levels() -> Levels:
    return {key: frame(accuracies, KEPT[key[0]]) for key, accuracies in ACCURACIES.items()}


@pytest.fixture
def evaluated() -> pd.DataFrame:
    """The evaluate stage's `levels.csv`: the dense nets at 0.98 and 0.96, the others as in `ACCURACIES`."""
    dense = {("dense", 0): (0.98,), ("dense", 1): (0.96,)}
    return pd.DataFrame(
        [
            {
                "method": method,
                "seed": seed,
                "level": level,
                "accuracy_before": value - 0.2,
                "accuracy": value,
                "one_shot_accuracy": value - 0.3,
                **dict.fromkeys(COUNTS, 7.0),
                "energy_pj_chip": 100.0 * (1 - level),
            }
            for (method, seed), values in (dense | ACCURACIES).items()
            for level, value in zip((0.0,) if method == "dense" else (0.5, 0.9), values, strict=True)
        ]
    )


@pytest.fixture
def table(dense: dict[int, dict[str, float]], levels: Levels, evaluated: pd.DataFrame) -> pd.DataFrame:
    """The tidy table of all of it."""
    return tidy_table("made", dense, levels, evaluated)


@pytest.fixture
def on_target(table: pd.DataFrame) -> pd.DataFrame:
    """The same accuracies, of masks that keep as many synapses as asked."""
    return table.assign(nnz=table["keep"])
