"""Where sparse layers become as fast as dense ones in training: the reason of `finetune`'s constant."""

from collections.abc import Sequence
from itertools import pairwise

from benchmarks.speed.case import make_case
from benchmarks.speed.forms import either_form
from benchmarks.speed.measure import Effort, Ratio, take_turns

DENSITIES = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7]


def speed_ups(layers: Sequence[int], batch: int, effort: Effort, densities: Sequence[float]) -> dict[float, Ratio]:
    """By density (of every layer) how many times as fast a training step is with sparse layers as with dense ones."""
    found = {}
    for density in densities:
        forms = either_form(make_case(layers, 1 - density, batch, evenly=True))
        found[density] = take_turns(forms, effort).ratio("sparse", "dense")
    return found


def crossing(ratios: dict[float, Ratio]) -> float | None:
    """The density at which both are equal, on a line between the two measured around it; None: not among those."""
    for (low, one), (high, other) in pairwise(sorted(ratios.items())):
        if one.median >= 1 > other.median:
            return low + (high - low) * (one.median - 1) / (one.median - other.median)
    return None
