"""Membrane criticality (Chen et al., arXiv 2311.16141) as the score: keep the synapses of the most critical neurons. A
neuron is critical when its membrane potential often lies near the threshold. Chen et al. use this to choose what to
revive (method `regrow`); as the only score it is a control."""

from snnprune.core.schema import Block
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem
from snnprune.pruning.select import keep_top, lexicographic


class Params(Block):
    """No parameters."""


def prune(problem: Problem, params: Params) -> Mask:
    """Rank by the criticality of the neuron that a synapse feeds; among one neuron's synapses, larger |w| first."""
    neurons = problem.criticality("membrane")
    sizes = {name: weight.abs() for name, weight in problem.weights.items()}
    return problem.choose(lambda pick, keep: keep_top(lexicographic(pick(neurons), pick(sizes)), keep))
