"""The block `export` of an experiment: which nets a stage writes for which targets."""

from collections.abc import Collection
from typing import Annotated

import pydantic

from pipeline.io.nets import net_name
from snnprune.core.schema import Block, ParamsError
from snnprune.export.registry import TARGETS


class ExportParams(Block):
    """targets: as `snnprune export --to` names them. nets: as `cqp@0.90` (of every seed) or `cqp@0.90/seed0`."""

    targets: Annotated[list[str], pydantic.Field(min_length=1)]
    nets: Annotated[list[str], pydantic.Field(min_length=1)]
    license: str = "unknown"

    @pydantic.field_validator("targets", "nets")
    @classmethod
    def _distinct(cls, values: list[str]) -> list[str]:
        if len(set(values)) != len(values):
            raise ValueError("entries must differ")
        return values

    @pydantic.field_validator("targets")
    @classmethod
    def _known(cls, targets: list[str]) -> list[str]:
        if unknown := [name for name in targets if name not in TARGETS]:
            raise ValueError(f"unknown target {unknown[0]!r}; available are: {', '.join(TARGETS)}")
        return targets


def names_of(experiment: str, params: ExportParams, nets: Collection[tuple[str, int, float]]) -> list[str]:
    """Those of the experiment's nets (method, seed and level) that the block asks for, one a seed, in their order.
    Raises ParamsError: it asks for one that is none of them."""
    there = {net_name(method, level, seed): net_name(method, level) for method, seed, level in nets}
    if unknown := [net for net in params.nets if net not in {*there, *there.values()}]:
        known = ", ".join(dict.fromkeys(there.values()))
        seeds = ", ".join(map(str, sorted({seed for _, seed, _ in nets})))
        raise ParamsError(
            f"experiments.{experiment}.export.nets: no net {unknown[0]!r}; there are: {known}, of seeds {seeds}"
        )
    return [name for name, every_seed in there.items() if {name, every_seed} & set(params.nets)]
