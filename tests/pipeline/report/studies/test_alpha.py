"""The choice of alpha, by hand."""

import itertools

import pandas as pd
import pytest

from pipeline.report.studies.alpha import summarize
from tests.pipeline.report.tables import alpha_table


def table(accuracies: dict[float, list[float]], levels: tuple[float, ...] = (0.9,)) -> pd.DataFrame:
    """Of (alpha, accuracies of level after level, seed after seed)."""
    return pd.DataFrame(
        [
            {"alpha": alpha, "level": levels[index % len(levels)], "nnz": 1, "validation_accuracy": value}
            for alpha, values in accuracies.items()
            for index, value in enumerate(values)
        ]
    )


def test_the_highest_mean_over_levels_and_seeds_is_chosen() -> None:
    # 0.25 is best at 0.9 and for one seed, 1 is best in the mean: 0.80 against 0.775.
    summary = summarize(table({1.0: [0.85, 0.75, 0.85, 0.75], 0.25: [0.95, 0.5, 0.95, 0.7]}, (0.9, 0.95)))
    assert summary.chosen == summary.metrics["chosen_alpha"] == 1.0
    assert summary.metrics["validation_accuracy/0.25"] == pytest.approx(0.775)
    assert summary.metrics["validation_accuracy/1"] == pytest.approx(0.8)
    by = {(r.alpha, r.level): r.validation_accuracy for r in summary.results}
    assert by[0.25, 0.95].mean == pytest.approx(0.6)
    assert by[0.25, 0.95].n == 2


def test_among_equals_the_smaller_alpha() -> None:
    assert summarize(table({2.0: [0.9], 0.5: [0.9], 1.0: [0.8]})).chosen == 0.5


def test_rounding_does_not_break_a_tie() -> None:
    """The same accuracies in another order are a tie, though float sums may differ."""
    for first, second in itertools.permutations(itertools.permutations([0.7, 0.1, 0.2 + 1 / 30]), 2):
        assert summarize(table({0.0: list(first), 1.0: list(second)})).chosen == 0.0


def test_summary_of_a_whole_sweep() -> None:
    summary = summarize(alpha_table())
    assert summary.chosen == 0.25
    assert len(summary.results) == 10
    assert summary.metrics["validation_accuracy/0.25"] == pytest.approx(0.985 - 0.3 * 0.025 - 0.001)
