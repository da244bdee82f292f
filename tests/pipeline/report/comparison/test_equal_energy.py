"""Equal energy: the interpolation by hand, pairing over seeds, and what is left empty."""

import pandas as pd
import pytest

from pipeline.report.comparison.equal_energy import accuracy_at, equal_energy, saved_energy

COLUMN = "energy_once_pj_first"


def table(**nets: dict[int, list[tuple[float, float]]]) -> pd.DataFrame:
    """Method -> seed -> (energy, accuracy) of its levels; the dense nets take 100, of seed 1 200."""
    rows = [
        {"method": "dense", "seed": seed, "level": 0.0, COLUMN: 100.0 * (1 + seed), "accuracy": 1.0} for seed in (0, 1)
    ]
    rows += [
        {"method": method, "seed": seed, "level": 0.5 + 0.1 * place, COLUMN: energy, "accuracy": accuracy}
        for method, seeds in nets.items()
        for seed, points in seeds.items()
        for place, (energy, accuracy) in enumerate(points)
    ]
    made = pd.DataFrame(rows)
    made["energy_once_pj_second"] = 1.0
    return made.assign(saved_energy=saved_energy(made))


def test_between_two_levels_by_hand() -> None:
    """From 70 % saved at 0.9 to 90 % at 0.8: at 75 % a quarter of the way."""
    assert accuracy_at(0.75, [0.7, 0.9], [0.9, 0.8]) == pytest.approx(0.875)
    assert accuracy_at(0.7, [0.7, 0.9], [0.9, 0.8]) == 0.9
    assert accuracy_at(0.9, [0.7, 0.9], [0.9, 0.8]) == pytest.approx(0.8)
    assert accuracy_at(0.69, [0.7, 0.9], [0.9, 0.8]) is None
    assert accuracy_at(0.91, [0.7, 0.9], [0.9, 0.8]) is None
    assert accuracy_at(0.8, [0.8, 0.8], [0.9, 0.7]) == 0.9


def test_of_several_crossings_the_first_level_counts() -> None:
    assert accuracy_at(0.8, [0.7, 0.9, 0.7], [0.9, 0.7, 0.1]) == pytest.approx(0.8)


def test_each_seed_is_held_against_its_own_dense_net_and_paired() -> None:
    """At 80 % saved seed 0 is read at 20, halfway, and seed 1 at 40, halfway; the second profile is not looked at."""
    mine = {0: [(30, 0.9), (10, 0.8)], 1: [(60, 0.9), (20, 0.7)]}
    other = {0: [(20, 0.84), (10, 0.5)], 1: [(41, 0.79), (39, 0.77)]}
    found = equal_energy(table(mine=mine, other=other), "other", [0.8, 0.95])
    assert found[["method", "saving"]].values.tolist() == [
        ["mine", 0.8],
        ["mine", 0.95],
        ["other", 0.8],
        ["other", 0.95],
    ]
    first, beyond, base, _ = found.itertuples()
    assert (first.accuracy.n, first.accuracy.mean) == (2, pytest.approx((0.85 + 0.8) / 2))
    assert first.margin.mean == pytest.approx((0.01 + 0.02) / 2)
    assert first.margin.corrected == pytest.approx(first.margin.p)  # a family of one
    assert beyond.accuracy is None and beyond.margin is None
    assert base.accuracy.mean == pytest.approx((0.84 + 0.78) / 2) and base.margin is None


def test_one_seed_that_does_not_reach_it_leaves_it_empty() -> None:
    nets = {0: [(30, 0.9), (10, 0.8)], 1: [(60, 0.9), (50, 0.7)]}
    (row,) = equal_energy(table(mine=nets), None, [0.8]).itertuples()
    assert row.accuracy is None


def test_margins_are_one_family() -> None:
    base = {0: [(40, 0.9), (5, 0.8)], 1: [(80, 0.9), (10, 0.8)]}
    mine = {0: [(40, 0.91), (5, 0.82)], 1: [(80, 0.92), (10, 0.825)]}
    margins = equal_energy(table(base=base, mine=mine), "base", [0.7, 0.8, 0.9])["margin"].dropna()
    assert len(margins) == 3
    assert all(one.corrected >= one.p for one in margins)
    assert min(one.corrected for one in margins) == pytest.approx(3 * min(one.p for one in margins))


def test_without_energies_nothing_is_compared() -> None:
    bare = table(mine={0: [(30, 0.9)]}).drop(columns=[COLUMN, "energy_once_pj_second"])
    assert saved_energy(bare).isna().all()
    found = equal_energy(bare.assign(saved_energy=saved_energy(bare)), None)
    assert found["accuracy"].isna().all()
