"""Means, intervals and paired tests: by hand and against scipy's own routines."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from pipeline.report.statistics import Difference, Interval, as_family, describe, holm, p_text, paired_difference


def test_describe_by_hand() -> None:
    # Deviations from 2.5: 1.5, 0.5, 0.5, 1.5; squares sum to 5; sd = sqrt(5 / 3) = 1.290994. The t quantile at 97.5 %
    # with 3 degrees of freedom is 3.182446, so the half width is 3.182446 * 1.290994 / sqrt(4) = 2.054260.
    found = describe([1.0, 2.0, 3.0, 4.0])
    assert (found.n, found.mean) == (4, 2.5)
    assert found.sd == pytest.approx(1.290994, abs=1e-6)
    assert found.low == pytest.approx(0.445740, abs=1e-6)
    assert found.high == pytest.approx(4.554260, abs=1e-6)


def test_equal_values_have_no_spread_and_no_p() -> None:
    assert describe([0.5, 0.5, 0.5]) == Interval(3, 0.5, 0.0, 0.5, 0.5)
    assert paired_difference([2.0, 3.0], [1.0, 2.0]) == Difference(2, 1.0, 0.0, 1.0, 1.0)


def test_of_a_single_value_the_spread_is_unknown() -> None:
    assert describe([0.9]) == Interval(1, 0.9)
    assert paired_difference([0.75], [0.5]) == Difference(1, 0.25)


def test_paired_difference_by_hand() -> None:
    # Differences 2, 1, 3: mean 2, sd 1, t = 2 / (1 / sqrt(3)) = sqrt(12). With 2 degrees of freedom the two-sided
    # p is 1 - t / sqrt(t^2 + 2) = 1 - sqrt(12 / 14) = 0.074180, and the 97.5 % quantile is 4.302653.
    found = paired_difference([98.0, 97.0, 99.0], [96.0, 96.0, 96.0])
    assert (found.n, found.mean, found.sd) == (3, 2.0, 1.0)
    assert found.p == pytest.approx(1 - math.sqrt(12 / 14))
    assert found.high == pytest.approx(2 + 4.302653 / math.sqrt(3), abs=1e-6)
    assert found.low == pytest.approx(2 - 4.302653 / math.sqrt(3), abs=1e-6)


@pytest.mark.parametrize("count", [2, 3, 5, 12])
def test_both_against_scipy(count: int) -> None:
    rng = np.random.default_rng(100 + count)
    values, baseline = rng.normal(0.97, 0.01, count), rng.normal(0.95, 0.02, count)
    one, found = describe(values.tolist()), paired_difference(values.tolist(), baseline.tolist())
    low, high = stats.t.interval(0.95, count - 1, loc=values.mean(), scale=stats.sem(values))
    assert (one.n, one.mean) == (count, pytest.approx(values.mean()))
    assert (one.low, one.high) == (pytest.approx(low), pytest.approx(high))
    test = stats.ttest_1samp(values - baseline, 0.0)
    interval = test.confidence_interval(0.95)
    assert found.p == test.pvalue  # a result file has every digit
    assert (found.low, found.high) == (pytest.approx(interval.low), pytest.approx(interval.high))


def test_differences_that_float_noise_alone_tells_apart_are_equal() -> None:
    values, baseline = [0.3, 0.8, 0.97], [0.2, 0.7, 0.87]
    differences = {a - b for a, b in zip(values, baseline, strict=True)}
    assert len(differences) == 2  # all of them 0.1 but for rounding; scipy finds a p, some 1e-31
    assert paired_difference(values, baseline).p is None
    apart = paired_difference([0.3, 0.8, 0.97 + 1e-9], baseline)
    assert apart.p is not None and 0 < apart.p < 1e-6


def test_no_values_are_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        describe([])
    with pytest.raises(ValueError, match="no values"):
        paired_difference([], [])


@pytest.mark.parametrize(("values", "baseline"), [([1.0, 2.0], [1.0]), ([1.0], []), ([], [1.0])])
def test_unequal_numbers_are_refused(values: list[float], baseline: list[float]) -> None:
    with pytest.raises(ValueError, match=f"equally many; found {len(values)} and {len(baseline)}"):
        paired_difference(values, baseline)


@pytest.mark.parametrize(
    ("given", "options", "text"),
    [
        (Interval(3, 0.12345, 0.1, 0.11667, 0.13023), {}, "12.35 ± 0.68"),
        (Interval(1, 0.12345), {}, "12.35"),
        (Interval(3, 0.5, 0.1, 0.25, 0.75), {"scale": 1, "sign": "+"}, "+0.50 ± 0.25"),
        (Interval(3, -0.5, 0.1, -0.75, -0.25), {"scale": 1, "sign": "+"}, "-0.50 ± 0.25"),
    ],
)
def test_text(given: Interval, options: dict[str, Any], text: str) -> None:
    assert given.text(**options) == text


def test_half_the_width_and_another_unit() -> None:
    assert (Interval(1, 0.5).half, Interval(3, 0.5, 0.1, 0.25, 0.75).half) == (0.0, 0.25)
    assert Difference(3, 0.5, 0.1, 0.25, 0.75, p=0.2).scaled(100) == Interval(3, 50.0, 10.0, 25.0, 75.0)
    assert Interval(1, 0.5).scaled(100) == Interval(1, 50.0)
    differences = [Difference(3, 0.5, p=0.001, corrected=p) for p in (0.049, 0.05, None)]
    assert [one.star for one in differences] == ["*", "", ""]
    assert [one.shown for one in differences] == [True, False, False]
    untested = paired_difference([0.5, 0.75], [0.25, 0.5])  # the same of both seeds
    assert (untested.p, untested.shown, untested.star) == (None, False, "")


def test_holm_by_hand() -> None:
    """Of four: 0.01 * 4, then 0.02 * 3, 0.03 * 2, which is no less than the 0.06 before it, and 0.5 * 1."""
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm([0.4, 0.9, 0.6]) == pytest.approx([1, 1, 1])
    assert holm([0.02]) == [0.02]
    assert holm([]) == []
    with pytest.raises(ValueError, match=r"within 0..1; found 1.5"):
        holm([0.5, 1.5])


@pytest.mark.parametrize("count", [2, 3, 6])
def test_holm_is_the_closed_test_of_bonferroni(count: int) -> None:
    """A second way: a hypothesis' corrected p is the largest Bonferroni p of all sets of hypotheses with it."""
    p_values = np.random.default_rng(count).random(count) ** 3
    sets = [chosen for size in range(1, count + 1) for chosen in itertools.combinations(range(count), size)]
    expected = [max(min(1, len(one) * p_values[list(one)].min()) for one in sets if i in one) for i in range(count)]
    assert holm(p_values.tolist()) == pytest.approx(expected)


def test_a_family_leaves_out_what_was_not_tested() -> None:
    tested, other, untested = Difference(3, 0.5, p=0.01), Difference(3, 0.5, p=0.03), Difference(1, 0.5)
    found = as_family([tested, None, untested, other])
    assert [one and one.corrected for one in found] == [0.02, None, None, 0.03]
    assert found[2] is untested


def test_effect_interval_and_corrected_p_stand_in_one_place() -> None:
    one = Difference(3, 0.005, 0.001, 0.0025, 0.0075, p=0.001, corrected=0.012)
    assert one.tested_text() == "+0.50 ± 0.25 (p = 0.012)*"
    assert Difference(3, 0.005, 0.001, 0.0025, 0.0075, p=0.001).tested_text() == "+0.50 ± 0.25"
    assert [p_text(p) for p in (0.0004, 0.0123, 0.5)] == ["p < 0.001", "p = 0.012", "p = 0.50"]
