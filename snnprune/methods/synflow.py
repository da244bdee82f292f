"""SynFlow (Tanaka et al., arXiv 2006.05467): without data, in many rounds, keep the synapses that carry most of the
flow through the network (pruning/flow.py). Tanaka et al. prune an untrained net; here it is the trained one, and again
at every level."""

from typing import Annotated

import pydantic

from snnprune.core.schema import Block
from snnprune.pruning.flow import ROUNDS, keep_flow
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem


class Params(Block):
    """`rounds` of one pruning step; Tanaka et al. take 100."""

    rounds: Annotated[int, pydantic.Field(ge=1, le=1000)] = ROUNDS


def prune(problem: Problem, params: Params) -> Mask:
    """Keep the highest |w| * dR/d|w|, round by round. Raises UserError: see `keep_flow`."""
    return keep_flow(problem, params.rounds)
