"""What counts as a change, by hand: paired by seed where both have it, said so where not."""

import pandas as pd
import pytest
from scipy import stats

from pipeline.diff.changes import change_of, compare
from pipeline.diff.revision import Results

ENERGY = "energy_once_pj_loihi"


def by_seed(**values: float) -> pd.Series:
    return pd.Series({int(name.removeprefix("s")): value for name, value in values.items()}, dtype=float)


def results(rows: list[tuple], **about: object) -> Results:
    return Results(pd.DataFrame(rows, columns=["method", "seed", "level", "accuracy", ENERGY]), **about)


def test_a_difference_is_paired_by_seed_with_the_interval_of_the_paired_t_test() -> None:
    """+1, +2 and +3 points: mean 2, sd 1, half a width of t(0.975, 2) / sqrt(3) = 2.484."""
    old, new = by_seed(s0=0.90, s1=0.95, s2=0.80), by_seed(s2=0.83, s0=0.91, s1=0.97)
    found = change_of(("cqp", 0.9), old, new)
    assert (found.seeds, found.is_paired, found.is_change) == ((2, 0, 1), True, True)
    assert found.difference.mean == pytest.approx(0.02)
    assert found.difference.half == pytest.approx(0.02484, abs=1e-5)
    assert not found.exceeds  # -0.5 to +4.5 points
    expected = stats.ttest_rel(new.sort_index(), old.sort_index()).confidence_interval(0.95)
    assert (found.difference.low, found.difference.high) == pytest.approx(tuple(expected))


def test_one_that_every_seed_shows_exceeds_its_interval_although_the_seeds_lie_far_apart() -> None:
    old = by_seed(s0=0.50, s1=0.70, s2=0.90)
    found = change_of(("cqp", 0.9), old, old + by_seed(s0=0.010, s1=0.011, s2=0.012))
    assert found.exceeds and found.before.high > found.after.low  # unpaired, the intervals overlap


def test_only_the_seeds_of_both_are_paired() -> None:
    found = change_of(("cqp", 0.9), by_seed(s0=0.1, s1=0.2), by_seed(s1=0.25, s2=0.9, s3=0.9))
    assert (found.seeds, found.difference.n, found.exceeds) == ((1,), 1, False)  # one seed shows nothing
    assert found.difference.mean == pytest.approx(0.05)


@pytest.mark.parametrize(("shift", "exceeds"), [(0.02, False), (0.2, True)])
def test_without_a_common_seed_the_intervals_themselves_are_compared(shift: float, exceeds: bool) -> None:
    """Each 0.80 +- 0.025 (three seeds, 0.79 to 0.81)."""
    old = by_seed(s0=0.79, s1=0.80, s2=0.81)
    new = pd.Series([0.79 + shift, 0.80 + shift, 0.81 + shift], index=[3, 4, 5])
    found = change_of(("cqp", 0.9), old, new)
    assert (found.seeds, found.is_paired, found.exceeds) == ((), False, exceeds)
    assert found.difference.mean == pytest.approx(shift) and found.difference.low is None


def test_equal_values_are_no_change_and_equal_means_of_other_values_are_one() -> None:
    old = by_seed(s0=0.8, s1=0.9)
    assert not change_of(("cqp", 0.9), old, old.copy()).is_change
    assert change_of(("cqp", 0.9), old, by_seed(s0=0.9, s1=0.8)).is_change
    empty = pd.Series(dtype=float)
    assert not change_of(("cqp", 0.9), empty, empty).is_change
    appeared = change_of(("cqp", 0.9), empty, old)
    assert (appeared.is_change, appeared.before, appeared.difference) == (True, None, None)


BEFORE = [
    ("dense", 0, 0.0, 0.98, 9000.0),
    ("dense", 1, 0.0, 0.97, 9000.0),
    ("cqp", 0, 0.9, 0.95, 1000.0),
    ("cqp", 1, 0.9, 0.94, 1200.0),
    ("magnitude", 0, 0.9, 0.93, 900.0),
    ("magnitude", 1, 0.9, 0.92, 900.0),
]


def test_nothing_differs() -> None:
    about = {"baseline": "magnitude", "rivals": frozenset({("cqp", 0.9)}), "verdicts": {"a": "reproduced"}}
    found = compare("digits", results(BEFORE, **about), results(BEFORE[::-1], **about))
    assert found.is_empty and found.compared == 3


def test_accuracy_margin_and_energy_of_a_net_that_changed() -> None:
    """cqp gains 1 and 2 points; magnitude loses one with seed 0: margins grow by 2 and 2."""
    after = [*BEFORE[:2], ("cqp", 0, 0.9, 0.96, 500.0), ("cqp", 1, 0.9, 0.96, 600.0)]
    after += [("magnitude", 0, 0.9, 0.92, 900.0), BEFORE[5]]
    about = {"baseline": "magnitude", "rivals": frozenset({("cqp", 0.9)})}
    found = compare("digits", results(BEFORE, **about), results(after, **about))
    accuracy = {change.method: change for change in found.accuracy}
    assert list(accuracy) == ["cqp", "magnitude"]
    assert accuracy["cqp"].difference.mean == pytest.approx(0.015)
    (margin,) = found.margin
    assert (margin.before.mean, margin.after.mean) == (pytest.approx(0.02), pytest.approx(0.04))
    assert margin.difference.mean == pytest.approx(0.02) and margin.exceeds  # by 2 points with both seeds
    (energy,) = found.energy["loihi"]
    assert (energy.method, energy.difference.mean) == ("cqp", -550.0)


def test_methods_levels_seeds_and_the_baseline_that_came_and_went() -> None:
    after = [row for row in BEFORE if row[0] != "magnitude" and row[1] == 0] + [("lamp", 0, 0.95, 0.9, 1.0)]
    found = compare("digits", results(BEFORE, baseline="magnitude"), results(after, baseline="cqp"))
    assert (found.added, found.removed) == ((("lamp", 0.95),), (("magnitude", 0.9),))
    assert found.notes == ("seeds: 0, 1 before, 0 now", "baseline: magnitude before, cqp now")
    assert {change.method for change in found.accuracy} == {"dense", "cqp"}  # of one seed now


def test_verdicts_that_changed_came_or_went() -> None:
    claims = dict.fromkeys("abcd", "it says so")
    before = results(BEFORE, verdicts={"a": "reproduced", "b": "reproduced", "c": "not measured"}, claims=claims)
    after = results(BEFORE, verdicts={"a": "not reproduced", "b": "reproduced", "d": "reproduced"}, claims=claims)
    found = {one.claim: (one.before, one.after) for one in compare("digits", before, after).verdicts}
    assert found == {"a": ("reproduced", "not reproduced"), "d": (None, "reproduced"), "c": ("not measured", None)}


def test_an_experiment_that_is_new_or_gone() -> None:
    assert compare("digits", None, results(BEFORE)).state == "new"
    assert compare("digits", results(BEFORE), None).state == "removed"
