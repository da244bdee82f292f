"""Where a sparse layer becomes as fast as a dense one in training: the reason of `finetune`'s constant."""

from collections.abc import Sequence
from itertools import pairwise

from benchmarks.speed.case import make_case
from benchmarks.speed.forms import either_form
from benchmarks.speed.measure import Effort, Ratio, take_turns

DENSITIES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
BEFORE = 0.05  # density of the layers before the one that is compared


def speed_ups(
    layers: Sequence[int], layer: int, batch: int, effort: Effort, densities: Sequence[float]
) -> dict[float, Ratio]:
    """By density of that layer, how many times as fast a training step is with it sparse as with it dense; the layers
    before it are sparse, those after it not pruned."""
    found = {}
    for density in densities:
        sparsities = [1 - BEFORE] * layer + [1 - density] + [0.0] * (len(layers) - 2 - layer)
        forms = either_form(make_case(layers, sparsities, batch), layer)
        found[density] = take_turns(forms, effort).ratio("sparse", "dense")
    return found


def crossing(ratios: dict[float, Ratio]) -> float | None:
    """The density at which both are equal, on a line between the two measured around it; None: not among those."""
    for (low, one), (high, other) in pairwise(sorted(ratios.items())):
        if one.median >= 1 > other.median:
            return low + (high - low) * (one.median - 1) / (one.median - other.median)
    return None
