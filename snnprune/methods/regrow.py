"""Prune deeper than asked by magnitude, then revive the synapses of the most critical neurons.

After Chen et al., arXiv 2311.16141. At sparsity s magnitude prunes to s + r * (1 - s); then synapses pruned at this
very level come back, those that feed the neurons with the highest membrane criticality first, until s. Chen et al. may
revive what earlier rounds pruned as well, and take r by the final sparsity of a run; here masks are nested, as for
every method, and r goes by the level, since every level is a result of its own.
"""

from dataclasses import replace
from typing import Annotated

import pydantic

from snnprune.core.schema import Block
from snnprune.pruning.mask import Mask
from snnprune.pruning.params import Level
from snnprune.pruning.problem import Problem
from snnprune.pruning.select import keep_count, keep_top, lexicographic


class Regrowth(Block):
    """Up to sparsity `upto` the share `r` of the synapses kept is revived ones."""

    upto: Level
    r: Annotated[float, pydantic.Field(ge=0, le=1)]


class Params(Block):
    """`regrowth` by sparsity; the last entry also serves above its `upto`. The default is Chen et al.'s."""

    regrowth: Annotated[list[Regrowth], pydantic.Field(min_length=1)] = [
        Regrowth(upto=0.9, r=0.2),
        Regrowth(upto=0.95, r=0.1),
        Regrowth(upto=0.98, r=0.01),
    ]

    @pydantic.field_validator("regrowth")
    @classmethod
    def _rising(cls, regrowth: list[Regrowth]) -> list[Regrowth]:
        uptos = [entry.upto for entry in regrowth]
        if uptos != sorted(set(uptos)):
            raise ValueError("upto must rise strictly")
        return regrowth

    def share(self, keep: int, size: int) -> float:
        """The share r of the `keep` synapses of `size` that is revived; an `upto` is met as levels are, by count."""
        return next((entry.r for entry in self.regrowth if keep >= keep_count(entry.upto, size)), self.regrowth[-1].r)


def prune(problem: Problem, params: Params) -> Mask:
    """Keep round((1 - r) * keep) synapses by |w|, and revive the rest by the neuron's criticality, then |w|."""
    sizes = {name: weight.abs() for name, weight in problem.weights.items()}
    share = params.share(problem.keep, problem.mask.size)
    deeper = replace(problem, keep=round((1 - share) * problem.keep)).keep_top(sizes)
    neurons = problem.criticality("membrane")
    return problem.choose(
        lambda pick, keep: keep_top(lexicographic(pick(neurons), pick(sizes)), keep, protected=pick(deeper))
    )
