"""Schedules: the formulas by hand, and what holds for every one."""

from itertools import pairwise
from typing import get_args

import pytest

from snnprune.pruning.params import ScheduleName, targets


@pytest.mark.parametrize(
    ("name", "final", "rounds", "expected"),
    [
        ("one_shot", 0.9, 1, [0.9]),
        ("linear", 0.9, 3, [0.3, 0.6, 0.9]),
        ("linear", 0.7, 2, [0.35, 0.7]),
        # 0.96 - 0.96 * (3/4)^3 = 0.96 * 37/64, then 0.96 * 7/8, 0.96 * 63/64.
        ("cubic", 0.96, 4, [0.555, 0.84, 0.945, 0.96]),
        # 1 - 0.81^(1/2) = 0.1; and a tenth of what is left at every round: 0.1, 0.01, 0.001.
        ("geometric", 0.19, 2, [0.1, 0.19]),
        ("geometric", 0.999, 3, [0.9, 0.99, 0.999]),
        ("cubic", 0.5, 1, [0.5]),
    ],
)
def test_by_hand(name: ScheduleName, final: float, rounds: int, expected: list[float]) -> None:
    assert targets(name, final, rounds) == expected


@pytest.mark.parametrize("name", sorted(set(get_args(ScheduleName)) - {"one_shot"}))
@pytest.mark.parametrize("rounds", [1, 2, 7, 50])
@pytest.mark.parametrize("final", [0.5, 0.9, 0.98, 1 / 3, 0.98765432])
def test_they_rise_to_the_very_target(name: ScheduleName, rounds: int, final: float) -> None:
    levels = targets(name, final, rounds)
    assert len(levels) == rounds
    assert levels[-1] == final
    assert all(earlier < later for earlier, later in pairwise([0.0, *levels]))
