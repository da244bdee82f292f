"""The Pareto front: by hand, and against brute force."""

import numpy as np
import pytest

from snnprune.energy.front import pareto_front


@pytest.mark.parametrize(
    ("accuracies", "energies", "front"),
    [
        ([0.9, 0.8, 0.7], [3.0, 2.0, 1.0], [2, 1, 0]),
        ([0.9, 0.8, 0.95], [3.0, 2.0, 1.0], [2]),
        ([0.9, 0.9, 0.9], [2.0, 1.0, 1.0], [1]),
        ([0.5, 0.6, 0.55], [1.0, 1.0, 2.0], [1]),
        ([], [], []),
    ],
)
def test_the_front(accuracies: list[float], energies: list[float], front: list[int]) -> None:
    assert pareto_front(accuracies, energies) == front


def test_the_front_against_brute_force() -> None:
    points = np.random.default_rng(0).integers(0, 12, size=(200, 2)).tolist()
    accuracies, energies = zip(*points, strict=True)
    front = pareto_front(accuracies, energies)

    def beaten(i: int, j: int) -> bool:
        as_good = accuracies[j] >= accuracies[i] and energies[j] <= energies[i]
        return as_good and (accuracies[j] > accuracies[i] or energies[j] < energies[i])

    unbeaten = {i for i in range(len(points)) if not any(beaten(i, j) for j in range(len(points)))}
    assert set(front) <= unbeaten
    assert {tuple(points[i]) for i in unbeaten} == {tuple(points[i]) for i in front}
