"""How a sparsity, a number of time steps and a layer are written for people, everywhere alike."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.io.nets import net_name, percent


def has_missed(level: float, achieved: float, synapses: int) -> bool:
    """Whether a sparsity is not that of the nearest whole number of synapses."""
    return abs(achieved - level) * synapses > 0.5 + 1e-6


def sparsity_text(level: float, achieved: float, synapses: int) -> str:
    """`90 %` of what kept the level; of what missed it what it achieved, `87.96 % (90 % asked)`."""
    return f"{percent(achieved)} ({percent(level)} asked)" if has_missed(level, achieved, synapses) else percent(level)


def net_text(method: str, level: float, achieved: float, synapses: int) -> str:
    """`cqp@0.90`; `osqp@0.90 (87.96 %)` of a net that missed its level."""
    missed = f" ({percent(achieved)})" if has_missed(level, achieved, synapses) else ""
    return f"{net_name(method, level)}{missed}"


def steps_text(steps: Sequence[float]) -> str:
    """Whole numbers of steps, one a seed: `9`, `8 to 9`."""
    low, high = int(min(steps)), int(max(steps))
    return f"{low}" if low == high else f"{low} to {high}"


def milliseconds_text(steps: Sequence[float], step_ms: float) -> str:
    """How long numbers of steps last, one a seed: `270 ms`, `240 to 270 ms`."""
    low, high = (f"{step_ms * end:,.4g}" for end in (min(steps), max(steps)))
    return f"{low} ms" if low == high else f"{low} to {high} ms"


class OwnLayers(dict[str, str]):
    """What people call the layers of a network of the user's own: by the user's names, without `.weight`."""

    def __missing__(self, weight: str) -> str:
        return weight.removesuffix(".weight")


def layer_names(weights: Mapping[str, Any]) -> dict[str, str]:
    """By the name of its weight [out, in, ...], in the network's order: `1st hidden (64x128)`, `output (128x10)`."""
    names = {}
    for place, (name, weight) in enumerate(weights.items(), 1):
        ordinal = ("1st", "2nd", "3rd")[place - 1] if place <= 3 else f"{place}th"
        out, into, *kernel = weight.shape
        size = "x".join(map(str, (into, out, *kernel)))
        names[name] = f"{'output' if place == len(weights) else f'{ordinal} hidden'} ({size})"
    return names
