"""Schema of the `prune` block: levels, scope, criticality, fine-tuning. The same for every method (protocol `fair`)."""

from typing import Annotated, Literal

import pydantic

from snnprune.core.schema import Block, Count, Rising
from snnprune.core.training.params import FinetuneParams

Level = Annotated[float, pydantic.Field(gt=0, lt=1)]
Levels = Rising[Level]
Alpha = Annotated[float, pydantic.Field(ge=0, le=10)]  # of the importance |w| * C^alpha; beyond, C^alpha underflows
ALPHA = 0.25  # what validation chose on all sets of images but the smallest (docs/results.md); the paper's is 0.5
CriticalityKind = Literal["sensitivity", "taylor", "membrane"]
Granularity = Literal["synapse", "neuron"]
ScheduleName = Literal["one_shot", "linear", "cubic", "geometric"]
DIGITS = 6  # of a level that a schedule gives: levels name files


class CriticalityParams(Block):
    """How criticality is estimated (`scores.criticality`).

    batches, batch_size: the training samples it is averaged over. frozen: measured once, at the dense net, instead of
        anew at every level (the staleness ablation).
    """

    kind: CriticalityKind = "sensitivity"
    batches: Count = 20
    batch_size: Count = 512
    frozen: bool = False


def targets(name: ScheduleName, final: float, rounds: int) -> list[float]:
    """Target sparsities s_1 < ... < s_R = `final` of R = `rounds` rounds; all but the last rounded to six digits.

    `linear`: s_t = s_R * t/R. `cubic`: s_t = s_R - s_R * (1 - t/R)^3 (Zhu & Gupta, arXiv 1710.01878; used by Chen et
    al., arXiv 2311.16141). `geometric`: the same share of the synapses left goes in every round, 1 - s_t =
    (1 - s_R)^(t/R). `one_shot`: one round.
    """
    rules = {
        "one_shot": lambda share: final,
        "linear": lambda share: final * share,
        "cubic": lambda share: final - final * (1 - share) ** 3,
        "geometric": lambda share: 1 - (1 - final) ** share,
    }
    return [*(round(rules[name](step / rounds), DIGITS) for step in range(1, rounds)), final]


class Schedule(Block):
    """Cumulative target sparsities by a formula (`targets`), instead of a list of levels."""

    name: ScheduleName
    final: Level
    rounds: Annotated[int, pydantic.Field(ge=1, le=50)]

    @pydantic.model_validator(mode="after")
    def _fits(self) -> "Schedule":
        if self.name == "one_shot" and self.rounds != 1:
            raise ValueError(f"rounds must be 1 with one_shot; found {self.rounds}")
        levels = [0.0, *targets(self.name, self.final, self.rounds)]
        if levels != sorted(set(levels)):
            raise ValueError(f"{self.rounds} rounds up to {self.final} are too close to each other; give fewer")
        return self


class Pruning(Block):
    """How to prune: to `levels` (or by `schedule`) one after the other, with fine-tuning after each unless it is None.
    The levels are cumulative target sparsities; `targets` gives them in either case. compensate: the weights that are
    kept are solved anew before fine-tuning (`snnprune.pruning.compensate`)."""

    levels: Levels | None = None
    schedule: Schedule | None = None
    scope: Literal["global", "layer"] = "global"
    criticality: CriticalityParams = CriticalityParams()
    finetune: FinetuneParams | None = None
    compensate: bool = False

    @pydantic.model_validator(mode="after")
    def _levels_or_schedule(self) -> "Pruning":
        if (self.levels is None) == (self.schedule is None):
            found = "neither" if self.levels is None else "both"
            raise ValueError(f"give either levels, e.g. [0.5, 0.9], or schedule; found {found}")
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
