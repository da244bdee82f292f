"""Schema of the `prune` block: levels, scope, criticality, fine-tuning. The same for every method (protocol `fair`)."""

import itertools
from typing import Annotated, Literal

import pydantic

from snnprune.core.schema import Block, rising
from snnprune.pruning.schedule import ScheduleName, targets
from snnprune.training.params import FinetuneParams

Level = Annotated[float, pydantic.Field(gt=0, lt=1)]
Levels = Annotated[list[Level], pydantic.Field(min_length=1), pydantic.AfterValidator(rising)]
CriticalityKind = Literal["sensitivity", "taylor", "membrane"]
Granularity = Literal["synapse", "neuron"]


class CriticalityParams(Block):
    """How criticality is estimated (`scores.criticality`).

    batches, batch_size: the training samples it is averaged over. frozen: measured once, at the dense net, instead of
        anew at every level (the staleness ablation).
    """

    kind: CriticalityKind = "sensitivity"
    batches: Annotated[int, pydantic.Field(ge=1)] = 20
    batch_size: Annotated[int, pydantic.Field(ge=1)] = 512
    frozen: bool = False


class Schedule(Block):
    """Cumulative target sparsities by a formula (`schedule.targets`), instead of a list of levels."""

    name: ScheduleName
    final: Level
    rounds: Annotated[int, pydantic.Field(ge=1, le=50)]

    @pydantic.model_validator(mode="after")
    def _one_shot_is_one_round(self) -> "Schedule":
        if self.name == "one_shot" and self.rounds != 1:
            raise ValueError(f"rounds must be 1 with one_shot; found {self.rounds}")
        return self

    @pydantic.model_validator(mode="after")
    def _rising(self) -> "Schedule":
        levels = [0.0, *targets(self.name, self.final, self.rounds)]
        if any(later <= earlier for earlier, later in itertools.pairwise(levels)):
            raise ValueError(f"{self.rounds} rounds up to {self.final} are too close to each other; give fewer")
        return self


class Pruning(Block):
    """How to prune: to `levels` (or by `schedule`) one after the other, with fine-tuning after each unless it is None.

    The levels are cumulative target sparsities; `targets` gives them in either case.
    """

    levels: list[Level] | None = None
    schedule: Schedule | None = None
    scope: Literal["global", "layer"] = "global"
    criticality: CriticalityParams = CriticalityParams()
    finetune: FinetuneParams | None = None

    @pydantic.field_validator("levels")
    @classmethod
    def _rising(cls, levels: list[float] | None) -> list[float] | None:
        if levels is not None and not levels:
            raise ValueError("give at least one level, e.g. [0.5, 0.9]")
        if any(later <= earlier for earlier, later in itertools.pairwise(levels or [])):
            raise ValueError("levels must rise strictly, e.g. [0.5, 0.9]; masks are nested")
        return levels

    @pydantic.model_validator(mode="after")
    def _levels_or_schedule(self) -> "Pruning":
        if (self.levels is None) == (self.schedule is None):
            raise ValueError("give either levels, e.g. [0.5, 0.9], or schedule")
        return self

    @property
    def targets(self) -> list[float]:
        """The cumulative target sparsities, rising."""
        if self.levels is not None:
            return list(self.levels)
        return targets(self.schedule.name, self.schedule.final, self.schedule.rounds)


class PruneParams(Pruning):
    """The block `prune` of an experiment: one setting for every method, always with fine-tuning."""

    protocol: Literal["fair"] = "fair"
    finetune: FinetuneParams
