"""CQP whose level goes step by step: its synapses are pruned in several rounds over the first half of the level's
fine-tuning, with the importance measured anew in each (pruning/gradual.py).

This project's own. Epochs, optimiser steps and learning rates are those of every method; a synapse that goes late has
been trained for some steps before it is judged. A level has exactly its number of synapses from the last round on.
"""

from typing import Annotated

import pydantic

from snnprune.core.schema import Block
from snnprune.pruning.mask import Mask
from snnprune.pruning.params import ALPHA, Alpha, Granularity
from snnprune.pruning.problem import Problem
from snnprune.pruning.scores import critical_at, importance


class Params(Block):
    """`alpha` and `granularity` as for cqp; `rounds` of a level (1: as cqp)."""

    alpha: Alpha = ALPHA
    granularity: Granularity = "synapse"
    rounds: Annotated[int, pydantic.Field(ge=1, le=100)] = 4


def rounds(params: Params) -> int:
    """In how many rounds a level's synapses go while it is fine-tuned."""
    return params.rounds


def prune(problem: Problem, params: Params) -> Mask:
    """One round: rank by the combined importance."""
    critical = critical_at(problem.criticality(), params.granularity)
    return problem.keep_top(importance(problem.weights, critical, params.alpha))
