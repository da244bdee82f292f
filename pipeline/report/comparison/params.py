"""Schema of an experiment's block `compare`, which it may leave out."""

from collections.abc import Sequence

from snnprune.core.schema import Block, ParamsError

USUAL = "magnitude"


class CompareParams(Block):
    """baseline: the method that margins are over; null for none. Without the block it is magnitude, where that is among
    the experiment's methods."""

    baseline: str | None


def baseline_of(experiment: str, params: CompareParams | None, methods: Sequence[str]) -> str | None:
    """The baseline among an experiment's methods, None for none. Raises ParamsError: it is not one of them."""
    if params is None:
        return USUAL if USUAL in methods else None
    if params.baseline not in (None, *methods):
        raise ParamsError(
            f"experiments.{experiment}.compare.baseline: allowed are null and matrix.{experiment}.methods, "
            f"{', '.join(methods)}; found {params.baseline!r}"
        )
    return params.baseline
