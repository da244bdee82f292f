"""A comparison made by hand: two methods, two levels, two seeds."""

import pandas as pd
import pytest

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
    """A `levels.csv` over 100 synapses."""
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
            "accuracy_before": [value - 0.2 for value in accuracies],
            "accuracy": accuracies,
            "one_shot_sparsity": [1 - 0.75 * count / 100 for count in kept],
            "one_shot_accuracy": [value - 0.3 for value in accuracies],
            "timesteps": 10,
        }
    )


@pytest.fixture
def dense() -> dict[int, dict[str, float]]:
    return {
        0: {"accuracy": 0.98, "validation_accuracy": 0.99, "loss": 0.1},
        1: {"accuracy": 0.96, "validation_accuracy": 0.97, "loss": 0.2},
    }


@pytest.fixture
def levels() -> Levels:
    return {key: frame(accuracies, KEPT[key[0]]) for key, accuracies in ACCURACIES.items()}
