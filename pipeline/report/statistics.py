"""Mean, spread and paired differences over seeds."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
ROUNDING = 1e-12  # differences this close are equal: what is left of them is floating-point noise

Figures = dict[str, float | int | None]


def describe(values: Sequence[float]) -> Figures:
    """Mean, sample standard deviation and 95 % t-interval (`low`, `high`) of one value per seed.

    With a single value the spread is unknown: `sd`, `low` and `high` are None.

    Raises:
        ValueError: no value.
    """
    if len(values) == 0:
        raise ValueError("no values to describe")
    mean = float(np.mean(values))
    if len(values) == 1:
        return {"n": 1, "mean": mean, "sd": None, "low": None, "high": None}
    sd = float(np.std(values, ddof=1))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * sd / len(values) ** 0.5
    return {"n": len(values), "mean": mean, "sd": sd, "low": mean - half, "high": mean + half}


def paired_difference(values: Sequence[float], baseline: Sequence[float]) -> Figures:
    """`describe` of values - baseline, pair by pair (the same seed, so the same dense net), and the paired t-test's p.

    `p` (two-sided) is None for a single pair, and where all differences are equal, since the test is undefined there.

    Raises:
        ValueError: the two differ in length, or are empty.
    """
    if len(values) != len(baseline):
        raise ValueError(f"paired values must be equally many; found {len(values)} and {len(baseline)}")
    differences = np.subtract(values, baseline)
    p = None
    if len(values) > 1 and np.ptp(differences) > ROUNDING:
        p = float(stats.ttest_rel(values, baseline).pvalue)
    return {**describe(differences.tolist()), "p": p}
