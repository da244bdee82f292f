"""What a chip sets limits to: the schema of `snnprune.prune`'s limits and of the command's options."""

from typing import Annotated, Literal

import pydantic

from snnprune.core.schema import Block, Count
from snnprune.energy.profiles import Profile, load_profiles

PROFILE = "horowitz_45nm_fp32"
Positive = Annotated[float, pydantic.Field(gt=0)]
Kind = Literal["bytes", "operations", "energy_pj"]


class Limits(Block):
    """What a pruned net must keep to; None: no such limit.

    fan_in: synapses that a neuron, or a channel of a convolution, may have as inputs.
    pattern: [n, m]: of any m neighbours along the inputs (of a convolution along the flattened kernel) n at most.
    neurons: remove whole neurons (channels) of hidden layers instead of single synapses.
    max_bytes, max_operations, max_energy_pj: a budget in place of a level, see `snnprune.limits.costs`.
    profile: the hardware of max_energy_pj. per_cost: fill a budget by score for each unit of cost, see
        `snnprune.limits.budget`.
    """

    fan_in: Count | None = None
    pattern: Annotated[list[Count], pydantic.Field(min_length=2, max_length=2)] | None = None
    neurons: bool = False
    max_bytes: Positive | None = None
    max_operations: Positive | None = None
    max_energy_pj: Positive | None = None
    profile: str = PROFILE
    per_cost: bool = False

    @pydantic.field_validator("profile")
    @classmethod
    def _known(cls, profile: str) -> str:
        if profile not in (known := load_profiles()):
            raise ValueError(f"allowed are {', '.join(known)}")
        return profile

    @pydantic.model_validator(mode="after")
    def _fit(self) -> "Limits":
        if self.pattern is not None and self.pattern[0] >= self.pattern[1]:
            raise ValueError(f"pattern: n must be smaller than m, such as [2, 4]; found {self.pattern}")
        if len(self._budgets) > 1:
            raise ValueError(f"give one budget; found {', '.join(f'max_{kind}' for kind in self._budgets)}")
        if self.per_cost and not self._budgets:
            raise ValueError("per_cost: it is how a budget is filled; found none, such as max_operations")
        return self

    @property
    def _budgets(self) -> dict[Kind, float]:
        found = {"bytes": self.max_bytes, "operations": self.max_operations, "energy_pj": self.max_energy_pj}
        return {kind: value for kind, value in found.items() if value is not None}

    @property
    def budget(self) -> tuple[Kind, float] | None:
        """What it is in, and how much."""
        return next(iter(self._budgets.items()), None)

    @property
    def any(self) -> bool:
        """Whether there is a limit at all."""
        return self.budget is not None or self.fan_in is not None or self.pattern is not None or self.neurons

    @property
    def hardware(self) -> Profile:
        """The profile."""
        return load_profiles()[self.profile]
