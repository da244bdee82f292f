"""The Pareto front: what no other setting beats in both accuracy and energy."""

from collections.abc import Sequence


def pareto_front(accuracies: Sequence[float], energies: Sequence[float]) -> list[int]:
    """Indices, by rising energy, of the points that no other one beats: none is as accurate for less, or better for as
    much. Of equal points the first is kept.
    """
    order = sorted(range(len(energies)), key=lambda index: (energies[index], -accuracies[index], index))
    front: list[int] = []
    for index in order:
        if not front or accuracies[index] > accuracies[front[-1]]:
            front.append(index)
    return front
