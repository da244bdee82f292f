"""The threshold sweep: causes of the cliff by hand."""

from dataclasses import replace

import pandas as pd
import pytest

from pipeline.report.studies.sweep import find_cliff
from tests.pipeline.report.tables import row_of, summary_of, sweep_table

Seeds = tuple[float, float, float]
Point = tuple[float, Seeds, Seeds, str]
ALL, NONE = "+++", "---"


def rows_of(*points: Point) -> pd.DataFrame:
    """One rule's rows of three seeds, as a study's table: (tau, validation accuracies, sparsities, feasible: `+`, `-`).

    Test accuracy is one eighth less, for seed 1 two and for seed 2 three eighths.
    """
    rows = [
        {
            "seed": seed,
            "tau": tau,
            "validation_accuracy": accuracies[seed],
            "accuracy": accuracies[seed] - (seed + 1) / 8,
            "sparsity": sparsities[seed],
            "feasible": feasible[seed] == "+",
        }
        for seed in range(3)
        for tau, accuracies, sparsities, feasible in points
    ]
    return pd.DataFrame(rows)


def same(value: float) -> Seeds:
    return (value, value, value)


# What happens -> neighbouring points (`Point`), where the cliff ends, and its cause.
CLIFFS = {
    "up to 0.8 nothing is pruned, at 0.9 the program is feasible: the abstract's 87.0 -> 14.4": (
        [(0.7, same(0.87), same(0), NONE), (0.8, same(0.87), same(0), NONE), (0.9, same(0.144), same(0.917), ALL)],
        *(0.9, "feasibility boundary"),
    ),
    "one seed was feasible and falls by 1/4, the others open and fall by 3/8 each, more than half of it": (
        [(0.4, same(0.875), (0.5, 0, 0), "+--"), (0.5, (0.625, 0.5, 0.5), same(0.75), ALL)],
        *(0.5, "feasibility boundary"),
    ),
    "exactly half of it is not more than half": (
        [(0.4, same(0.875), (0.5, 0, 0), "+--"), (0.5, (0.375, 0.625, 0.625), same(0.75), ALL)],
        *(0.5, "rising sparsity"),
    ),
    "one seed of three opens, and alone carries the fall": (
        [(0.4, same(0.875), (0.75, 0.75, 0), "++-"), (0.5, (0.75, 0.75, 0.25), same(0.75), ALL)],
        *(0.5, "feasibility boundary"),
    ),
    "two open, but it is the third that falls": (
        [(0.4, same(0.875), (0.75, 0, 0), "+--"), (0.5, (0.125, 0.875, 0.75), same(0.75), ALL)],
        *(0.5, "rising sparsity"),
    ),
    "a seed that opens may even gain": (
        [(0.4, (0.875, 0.875, 0.5), same(0.75), "++-"), (0.5, (0.5, 0.5, 0.625), same(0.75), ALL)],
        *(0.5, "protection lost"),
    ),
    "feasible everywhere, more is pruned": (
        [(0.3, same(0.9), same(0.7), ALL), (0.4, same(0.5), same(0.75), ALL), (0.5, same(0.4), same(0.9), ALL)],
        *(0.4, "rising sparsity"),
    ),
    "the feasibility boundary costs less than a later rise of the sparsity": (
        [(0.3, same(0.9), same(0), NONE), (0.4, same(0.8), same(0.7), ALL), (0.5, same(0.4), same(0.9), ALL)],
        *(0.5, "rising sparsity"),
    ),
    "exact top-k always prunes as much, only what is protected differs": (
        [(0.3, same(0.9), same(0.7), ALL), (0.4, same(0.88), same(0.7), ALL), (0.5, same(0.6), same(0.7), ALL)],
        *(0.5, "protection lost"),
    ),
    "noise is no rise": (
        [(0.3, same(0.9), same(0.7), ALL), (0.4, same(0.6), same(0.7 + 1e-12), ALL)],
        *(0.4, "protection lost"),
    ),
    "falling sparsity": (
        [(0.3, same(0.9), same(0.7), ALL), (0.4, same(0.6), same(0.6), ALL)],
        *(0.4, "protection lost"),
    ),
    "nothing falls": (
        [(0.3, same(0.9), same(0.7), ALL), (0.4, same(0.9), same(0.8), ALL), (0.5, same(0.95), same(0.9), ALL)],
        *(0.4, "none"),
    ),
    "opening gains": ([(0.3, same(0.8), same(0), NONE), (0.4, same(0.9), same(0.8), ALL)], 0.4, "none"),
    "of equal falls the first": (
        [(0.1, same(0.75), same(0.1), ALL), (0.2, same(0.5), same(0.2), ALL), (0.3, same(0.25), same(0.3), ALL)],
        *(0.2, "rising sparsity"),
    ),
}


@pytest.mark.parametrize(("points", "tau", "cause"), CLIFFS.values(), ids=CLIFFS)
def test_the_cliff_and_its_cause(points: list[Point], tau: float, cause: str) -> None:
    cliff = find_cliff(rows_of(*points))
    assert (cliff.tau, cliff.cause) == (tau, cause)
    end = next(index for index, point in enumerate(points) if point[0] == tau)
    assert cliff.tau_before == points[end - 1][0]
    for key, point in (("before", points[end - 1]), ("after", points[end])):
        assert getattr(cliff, key) == pytest.approx(sum(point[1]) / 3 - 2 / 8)  # of the test accuracies
        assert getattr(cliff, f"sparsity_{key}") == pytest.approx(sum(point[2]) / 3)


def test_wrong_test_labels_move_neither_the_cliff_nor_its_cause() -> None:
    """On test the largest fall is elsewhere, by other seeds; that only changes the accuracies reported."""
    points = [
        (0.2, same(0.875), same(0.0), NONE),
        (0.3, same(0.25), same(0.5), ALL),
        (0.4, same(0.125), same(0.75), ALL),
    ]
    table = rows_of(*points)
    poisoned = table.assign(accuracy=table["tau"].map({0.2: 0.25, 0.3: 1.0, 0.4: 0.0}))
    clean, other = find_cliff(table), find_cliff(poisoned)
    assert (clean.before, clean.after, other.before, other.after) == (0.625, 0.0, 0.25, 1.0)
    assert replace(other, before=clean.before, after=clean.after) == clean
    assert (clean.tau, clean.cause) == (0.3, "feasibility boundary")


def test_one_seed_has_a_cliff() -> None:
    table = rows_of((0.2, same(0.875), same(0.0), NONE), (0.3, same(0.25), same(0.5), ALL))
    assert find_cliff(table[table["seed"] == 2]).cause == "feasibility boundary"


def test_summary_by_hand() -> None:
    summary = summary_of("sweep")
    assert len(summary.results) == 27
    # 0.98 - 0.85 * 0.25 less 0, 1 and 2 points for the seeds
    accuracy = row_of(summary.results, rule="energy", tau=0.5).accuracy
    assert (accuracy.mean, accuracy.sd) == (pytest.approx(0.98 - 0.2125 - 0.01), pytest.approx(0.01))
    assert row_of(summary.results, rule="energy", tau=0.2).feasible_seeds == 0
    assert row_of(summary.results, rule="cut", tau=0.5).protected_share.mean == pytest.approx(0.25)
    # 0.983 - 0.85 * 0.81 ends the largest fall of `energy`, from tau 0.8 on.
    assert {rule: cliff.cause for rule, cliff in summary.more["cliffs"].items()} == {
        "energy": "rising sparsity",
        "exact": "feasibility boundary",
        "cut": "rising sparsity",
    }
    assert (summary.metrics["cliff_tau/energy"], summary.metrics["cliff_tau/exact"]) == (0.9, 0.4)
    assert summary.metrics["cliff_before/exact"] == pytest.approx(0.98)
    assert summary.metrics["cliff_after/exact"] == pytest.approx(0.95)


def test_without_a_fall_there_is_no_cliff_to_report() -> None:
    summary = summary_of("sweep", sweep_table().assign(validation_accuracy=0.9))
    assert {cliff.cause for cliff in summary.more["cliffs"].values()} == {"none"}
    assert summary.metrics == {}
