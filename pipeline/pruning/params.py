"""Schema of the `prune` block: levels, scope, criticality, fine-tuning. The same for every method (protocol `fair`)."""

import itertools
from typing import Annotated, Literal

import pydantic

from pipeline.params import Block
from pipeline.training.params import FitParams

Level = Annotated[float, pydantic.Field(gt=0, lt=1)]


class CriticalityParams(Block):
    """How criticality is estimated: kind, and the training batches it is averaged over."""

    kind: Literal["sensitivity", "taylor"] = "sensitivity"
    batches: Annotated[int, pydantic.Field(ge=1)] = 20
    batch_size: Annotated[int, pydantic.Field(ge=1)] = 512


class PruneParams(Block):
    """Levels are cumulative target sparsities, pruned one after the other with fine-tuning after each."""

    protocol: Literal["fair"] = "fair"
    levels: Annotated[list[Level], pydantic.Field(min_length=1)]
    scope: Literal["global", "layer"] = "global"
    criticality: CriticalityParams = CriticalityParams()
    finetune: FitParams

    @pydantic.field_validator("levels")
    @classmethod
    def _rising(cls, levels: list[float]) -> list[float]:
        if any(later <= earlier for earlier, later in itertools.pairwise(levels)):
            raise ValueError("levels must rise strictly, e.g. [0.5, 0.9]; masks are nested")
        return levels
