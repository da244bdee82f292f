"""Gradient pruning, a control: keep the synapses with the highest criticality, whatever their size."""

from typing import Literal

from snnprune.core.schema import Block
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem


class Params(Block):
    """`kind` of criticality: `sensitivity`, mean |dL/dw|, or `taylor`, mean |w * dL/dw|."""

    kind: Literal["sensitivity", "taylor"] = "sensitivity"


def prune(problem: Problem, params: Params) -> Mask:
    """Rank by criticality."""
    return problem.keep_top(problem.criticality(params.kind))
