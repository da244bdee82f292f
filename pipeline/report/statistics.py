"""Mean, spread and paired differences over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

CONFIDENCE = 0.95
ROUNDING = 1e-12  # differences this close are equal: what is left of them is floating-point noise


@dataclass(frozen=True)
class Interval:
    """Mean, sample standard deviation and 95 % t-interval of one value per seed; no spread (None) from one seed."""

    n: int
    mean: float
    sd: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def half(self) -> float:
        """Half the width of the interval, 0 without one."""
        return 0.0 if self.high is None else self.high - self.mean

    def scaled(self, factor: float) -> "Interval":
        """The same in another unit."""
        values = (None if value is None else factor * value for value in (self.mean, self.sd, self.low, self.high))
        return Interval(self.n, *values)

    def text(self, scale: float = 100, sign: str = "") -> str:
        """`97.10 ± 0.30`, both times `scale` (a fraction in percent); the mean alone without an interval."""
        mean = f"{self.mean * scale:{sign}.2f}"
        return mean if self.low is None else f"{mean} ± {self.half * scale:.2f}"


@dataclass(frozen=True)
class Difference(Interval):
    """An interval of paired differences, with the p-value (two-sided) of the paired t-test."""

    p: float | None = None

    @property
    def star(self) -> str:
        """A star where p < 0.05."""
        return "*" if self.p is not None and self.p < 0.05 else ""


def describe(values: Sequence[float]) -> Interval:
    """The interval of one value per seed. Raises ValueError when there is none."""
    if len(values) == 0:
        raise ValueError("no values to describe")
    mean = float(np.mean(values))
    if len(values) == 1:
        return Interval(1, mean)
    sd = float(np.std(values, ddof=1))
    half = _quantile(len(values) - 1) * sd / len(values) ** 0.5
    return Interval(len(values), mean, sd, mean - half, mean + half)


def paired_difference(values: Sequence[float], baseline: Sequence[float]) -> Difference:
    """values - baseline, pair by pair (the same seed, so the same dense net).

    `p` is None for a single pair, and where all differences are equal, since the test is undefined there.

    Raises:
        ValueError: the two differ in length, or are empty.
    """
    if len(values) != len(baseline):
        raise ValueError(f"paired values must be equally many; found {len(values)} and {len(baseline)}")
    differences = np.subtract(values, baseline)
    p = None
    if len(values) > 1 and np.ptp(differences) > ROUNDING:
        from scipy import stats  # takes a second

        p = float(stats.ttest_rel(values, baseline).pvalue)
    found = describe(differences.tolist())
    return Difference(found.n, found.mean, found.sd, found.low, found.high, p)


@cache
def _quantile(degrees: int) -> float:
    from scipy import stats  # takes a second

    return float(stats.t.ppf((1 + CONFIDENCE) / 2, degrees))
