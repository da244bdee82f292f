"""Methods at equal energy: test accuracy where each saves the same share of the dense net's energy.

Methods that are equally sparse are not equally cheap: criticality keeps busy synapses, magnitude quiet ones. So every
method is read at the same energies too, per seed by linear interpolation between the two neighbouring levels whose
energies enclose the one asked. A constant input is computed once, and prices are those of the first profile.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipeline.io.nets import DENSE
from pipeline.report.statistics import Difference, as_family, describe, paired_difference

SAVINGS = (0.80, 0.85, 0.90, 0.93, 0.95)
COLUMN = "energy_once_pj_"  # followed by the name of a profile


def energy_column(table: pd.DataFrame) -> str | None:
    """The column of the first profile's energies, a constant input computed once; None: the table has none."""
    return next((column for column in table if column.startswith(COLUMN)), None)


def saved_energy(table: pd.DataFrame) -> pd.Series:
    """The share of the dense net's energy, of the same seed, that each row of a tidy table saves; NaN without
    energies."""
    if (column := energy_column(table)) is None:
        return pd.Series(np.nan, index=table.index)
    dense = table[table["method"] == DENSE].set_index("seed")[column]
    return 1 - table[column] / table["seed"].map(dense)


def accuracy_at(saving: float, savings: Sequence[float], accuracies: Sequence[float]) -> float | None:
    """Accuracy at a saving, linearly between the first two neighbouring levels that enclose it; None: no two do."""
    points = zip(savings, accuracies, strict=True)
    for (low, before), (high, after) in itertools.pairwise(points):
        if low <= saving <= high or high <= saving <= low:
            return before if low == high else before + (after - before) * (saving - low) / (high - low)
    return None


def equal_energy(table: pd.DataFrame, baseline: str | None, savings: Sequence[float] = SAVINGS) -> pd.DataFrame:
    """A row per method and saving: `accuracy` (interval over seeds) and `margin`, the paired difference to the
    baseline's, corrected as one family. Both are None where some seed's nets do not reach as far, or all go beyond; the
    margin also for the baseline itself and without one. table: a tidy table with `saved_energy`. Nets that missed their
    level take part, by the energy that they take."""
    pruned = table[table["method"] != DENSE].sort_values(["seed", "level"], kind="stable")
    found: dict[tuple[str, float], list[float] | None] = {}
    for method, nets in pruned.groupby("method", sort=False):
        for saving in savings:
            each = [accuracy_at(saving, net["saved_energy"], net["accuracy"]) for _, net in nets.groupby("seed")]
            found[method, saving] = None if None in each else each

    def margin(method: str, saving: float) -> Difference | None:
        mine, theirs = found[method, saving], found.get((baseline, saving))
        return None if method == baseline or mine is None or theirs is None else paired_difference(mine, theirs)

    return pd.DataFrame(
        {
            "method": [method for method, _ in found],
            "saving": [saving for _, saving in found],
            "accuracy": [None if values is None else describe(values) for values in found.values()],
            "margin": as_family(margin(*which) for which in found),
        }
    )
