"""Criticality-constrained pruning (CQP, arXiv 2606.30676), solved exactly: no solver, no rounding, no overshoot."""

from typing import Annotated

import pydantic

from snnprune.core.schema import Block
from snnprune.pruning.mask import Mask
from snnprune.pruning.params import ALPHA, Alpha, Granularity
from snnprune.pruning.problem import Problem
from snnprune.pruning.scores import critical_at, importance, normalized


class Params(Block):
    """`alpha`: weight of criticality in |w| * C^alpha. `tau`: synapses with C > tau (C in 0..1) are never pruned.
    `granularity` of C: `synapse`, or `neuron`, the mean over a presynaptic neuron's outgoing synapses. C is relative to
    the most critical of all synapses, those that earlier levels pruned included."""

    alpha: Alpha = ALPHA
    tau: Annotated[float, pydantic.Field(ge=0, le=1)] | None = None
    granularity: Granularity = "synapse"


def prune(problem: Problem, params: Params) -> Mask:
    """Rank by the combined importance, with the synapses above tau protected. Raises InfeasibleSelection: more synapses
    are protected than may be kept."""
    critical = critical_at(problem.criticality(), params.granularity)
    protected = None
    if params.tau is not None:
        protected = {name: score > params.tau for name, score in normalized(critical).items()}
    return problem.keep_top(importance(problem.weights, critical, params.alpha), protected)
