"""Where time and samples stand in what a layer is given: one step a call, or all steps in one."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

Layout = Literal["step", "steps", "merged"]  # [B, ...], [T, B, ...], [T * B, ...] with time first


def layout_of(shape: Sequence[int], steps: int, samples: int) -> Layout:
    """The layout of a shape in a run of T `steps` on B `samples`, where T is not B."""
    if tuple(shape[:2]) == (steps, samples):
        return "steps"
    return "merged" if steps > 1 and shape[0] == steps * samples else "step"


def by_step(values: Tensor, layout: Layout, samples: int) -> Tensor:
    """The values of each step, [steps, B, ...]; of a call for one step [1, B, ...]."""
    if layout == "merged":
        return values.unflatten(0, (-1, samples))
    return values if layout == "steps" else values[None]
