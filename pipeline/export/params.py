"""The block `export` of an experiment: which nets a stage writes for which targets."""

from typing import Annotated

import pydantic

from snnprune.core.schema import Block
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
