"""Membrane criticality (Chen et al., arXiv 2311.16141) as the score: keep the synapses of the most critical neurons. A
neuron is critical when its membrane potential often lies near the threshold. Chen et al. use this to choose what to
revive (method `regrow`); as the only score it is a control.

How often that is differs from layer to layer, whatever a neuron is worth: ranked over the network, a whole layer may
lose its synapses. Neurons of one layer can be compared: `scope: layer`.
"""

from dataclasses import replace
from typing import Literal

from snnprune.core.schema import Block
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem
from snnprune.pruning.select import keep_top, lexicographic


class Params(Block):
    """`scope` of this method's ranking: `layer` or `global`; None: `prune.scope`."""

    scope: Literal["global", "layer"] | None = None


def prune(problem: Problem, params: Params) -> Mask:
    """Rank by the criticality of the neuron that a synapse feeds; among one neuron's synapses, larger |w| first."""
    neurons = problem.criticality("membrane")
    sizes = {name: weight.abs() for name, weight in problem.weights.items()}
    ranked = replace(problem, scope=params.scope or problem.scope)
    return ranked.choose(lambda pick, keep: keep_top(lexicographic(pick(neurons), pick(sizes)), keep))
