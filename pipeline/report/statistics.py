"""Mean, spread and paired differences over seeds, of single values and of the groups of a table."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

CONFIDENCE = 0.95
SIGNIFICANT = 0.05
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

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero; never from one seed."""
        return self.low is not None and (self.low > ROUNDING or self.high < -ROUNDING)

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
    """An interval of paired differences, with the p-value (two-sided) of the paired t-test, and that p-value corrected
    for all that is tested together (`corrected`); None where nothing was tested."""

    p: float | None = None
    corrected: float | None = None

    @property
    def worst(self) -> float:
        """The low end of the interval; from one seed the difference itself."""
        return self.mean if self.low is None else self.low

    @property
    def shown(self) -> bool:
        """Whether there is a difference: the corrected p-value is below 0.05. Never where no test is possible: of one
        seed, or where every seed has the same difference."""
        return self.corrected is not None and self.corrected < SIGNIFICANT

    @property
    def star(self) -> str:
        """A star where the corrected p-value is below 0.05."""
        return "*" if self.shown else ""

    def tested_text(self, scale: float = 100, unit: str = "") -> str:
        """Effect, interval and corrected p-value in one place: `+0.37 ± 0.06 (p = 0.003)*`, the `unit` after the
        interval; without a p-value where nothing was tested."""
        tested = "" if self.corrected is None else f" ({p_text(self.corrected)})"
        return f"{self.text(scale, '+')}{unit}{tested}{self.star}"


def describe(values: Sequence[float] | pd.Series) -> Interval:
    """The interval of one value per seed. Raises ValueError when there is none."""
    found = np.asarray(values, dtype=float)
    if len(found) == 0:
        raise ValueError("no values to describe")
    mean = float(np.mean(found))
    if len(found) == 1:
        return Interval(1, mean)
    sd = float(np.std(found, ddof=1))
    half = _quantile(len(found) - 1) * sd / len(found) ** 0.5
    return Interval(len(found), mean, sd, mean - half, mean + half)


def paired_difference(values: Sequence[float] | pd.Series, baseline: Sequence[float] | pd.Series) -> Difference:
    """values - baseline, pair by pair (the same seed, so the same dense net). `p` is None for a single pair, and where
    all differences are equal, since the test is undefined there. Raises ValueError: the two differ in length, or are
    empty."""
    if len(values) != len(baseline):
        raise ValueError(f"paired values must be equally many; found {len(values)} and {len(baseline)}")
    differences = np.asarray(values, dtype=float) - np.asarray(baseline, dtype=float)
    found = describe(differences)
    p = _p_value(differences) if found.n > 1 and np.ptp(differences) > ROUNDING else None
    return Difference(found.n, found.mean, found.sd, found.low, found.high, p)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of one family, corrected by Holm's step-down rule: the i-th smallest of m times m - i + 1, at least as
    large as the one before it and at most 1. Whoever calls a difference real where this is below 0.05 is wrong about
    any one of the family with a probability of at most 5 % (S. Holm, "A simple sequentially rejective multiple test
    procedure", Scandinavian Journal of Statistics 6, 1979). In the order given. Raises ValueError: a value outside
    0..1."""
    if wrong := [p for p in p_values if not 0 <= p <= 1]:
        raise ValueError(f"p-values must lie within 0..1; found {', '.join(map(str, wrong))}")
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    found, largest = [0.0] * len(order), 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, p_values[index] * (len(order) - place)))
        found[index] = largest
    return found


def as_family(differences: Iterable[Difference | None]) -> list[Difference | None]:
    """The differences with their p-values corrected by `holm` as one family; those without a p-value, and None, are
    not in it and stay as they are."""
    found = list(differences)
    tested = [index for index, one in enumerate(found) if one is not None and one.p is not None]
    corrected = holm([found[index].p for index in tested])
    for index, p in zip(tested, corrected, strict=True):
        found[index] = replace(found[index], corrected=p)
    return found


def p_text(p: float) -> str:
    """`p = 0.012`, `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}" if p < 0.1 else f"p = {p:.2f}"


def over_seeds(
    table: pd.DataFrame, by: list[str], columns: Sequence[str] = (), **values: Callable[[pd.DataFrame], Any]
) -> pd.DataFrame:
    """A row per group of `by`, in order of appearance: the interval of each of `columns`, and `values` of its rows.
    Empty cells of a column do not count; where all of a group are empty, there is None instead of an interval."""
    rows = [
        dict(zip(by, key, strict=True))
        | {name: value(group) for name, value in values.items()}
        | {column: describe(known) if len(known := group[column].dropna()) else None for column in columns}
        for key, group in table.groupby(by, sort=False)
    ]
    return pd.DataFrame(rows, columns=[*by, *values, *columns])


def means(intervals: pd.Series) -> pd.Series:
    """The means of a column of intervals."""
    return intervals.map(lambda interval: interval.mean)


def plain(value: Any) -> Any:
    """What JSON can hold: tables as lists of rows, dataclasses as objects, nothing as null."""
    if isinstance(value, pd.DataFrame):
        return plain(value.to_dict("records"))
    if is_dataclass(value):
        return {entry.name: plain(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value


# scipy.special has Student's distribution; importing scipy.stats takes every stage that compares a second more.


@cache
def _quantile(degrees: int) -> float:
    return float(special.stdtrit(degrees, (1 + CONFIDENCE) / 2))


def _p_value(differences: np.ndarray) -> float:
    """Of the two-sided t-test for a mean of zero, computed as `scipy.stats.ttest_1samp` does, to the last digit."""
    n, mean = len(differences), np.mean(differences)
    variance = np.mean((differences - mean) ** 2) * (n / (n - 1))
    return float(2 * special.stdtr(n - 1, -abs(mean / np.sqrt(variance / n))))
