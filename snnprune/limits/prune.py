"""Pruning within limits: levels whose masks keep to a structure, or one mask within a budget."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from math import ceil
from typing import Any

import torch
from torch import Tensor

from snnprune.core.checkpoint import copy_parameters, load_parameters
from snnprune.core.dataset import Split
from snnprune.core.errors import UserError
from snnprune.core.network import SpikingNetwork
from snnprune.core.schema import Block
from snnprune.core.training.fit import shuffled_batches
from snnprune.energy.measure import measure
from snnprune.energy.profiles import energy_pj
from snnprune.limits.budget import Choice, first_synapse, within_budget
from snnprune.limits.costs import Costs, Network, byte_costs, costs_of
from snnprune.limits.neurons import whole_neurons
from snnprune.limits.params import Limits
from snnprune.limits.ranking import scores_of
from snnprune.limits.structure import within_structure
from snnprune.pruning.iterate import PrunedLevel, make_problem, prune_levels
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.params import Pruning
from snnprune.pruning.problem import Layers, Method, Problem
from snnprune.pruning.select import keep_count, keep_top

ROUNDS = 10  # of pruning and fine-tuning until a budget of operations or energy holds
SAMPLES = 10_000  # of the training data, on which these are counted


class Impossible(UserError):
    """Nothing comes within a budget."""


@dataclass(frozen=True)
class Achieved:
    """What a net takes. bytes: of its weights (`costs.byte_costs`). operations, energy_pj: of a sample, a constant
    input once; means over up to `SAMPLES` of the training data.
    within: whether it comes within its budget; None: it has none. of_bound: the mask's summed score, as a share of a
    bound that no mask within the budget can pass (1: the optimum); None without a budget, and of whole neurons."""

    sparsity: float
    nnz: int
    bytes: int
    operations: float
    energy_pj: float
    within: bool | None = None
    of_bound: float | None = None

    def __str__(self) -> str:
        share = ""
        if self.of_bound is not None:
            least = "at least " if self.of_bound < 1 else ""
            share = f"; {least}{100 * self.of_bound:.2f} % of the summed score that is possible"
        return (
            f"{self.nnz:,} synapses, {self.bytes:,} bytes of weights, {self.operations:,.0f} operations, "
            f"{self.energy_pj:,.0f} pJ{share}"
        )


def limited(method: Method, limits: Limits, levels: list[float]) -> Method:
    """The method, whose masks keep to the structure that `limits` asks for: of the best synapses within it (or of whole
    neurons) the best as many as a level asks. Exact at every one of `levels`, but for whole neurons, which are as many
    as come within the level. Rounds on the way to a level keep what the structure leaves, where that is less than they
    ask. Its `prune` raises UserError: a level that the limits do not allow, or the method gives no scores, or of whole
    neurons one below 0."""

    def prune(problem: Problem, params: Block) -> Mask:
        scores = scores_of(method, problem, params, summed=limits.neurons)
        allowed = within_structure(scores, problem.mask, limits)
        if not limits.neurons:
            within = replace(problem, mask=allowed)
            if problem.keep not in {keep_count(level, allowed.size) for level in levels}:
                return within.choose(lambda pick, keep: _at_most(pick(scores), keep))
            _require_enough(allowed, problem)
            return within.keep_top(scores)
        if problem.scope != "global":
            raise UserError(f"scope: neurons are ranked over the whole network (global); found {problem.scope!r}")
        kept = whole_neurons(scores, allowed, Costs(Mask.dense(allowed)), problem.keep)
        if kept.nnz > problem.keep:
            raise UserError(
                f"level: {problem.keep:,} synapses are to be kept; one neuron in each hidden layer has {kept.nnz:,}"
            )
        return kept

    return replace(method, prune=prune, exact=False)


def require_possible(method: Method, method_params: Block, params: Pruning, limits: Limits, *, to_levels: bool) -> None:
    """Raises UserError: these do not fit each other, whatever the network and the data, see `prune_limited`."""
    if to_levels and limits.budget is not None:
        raise UserError(
            f"level: cannot be given with max_{limits.budget[0]}: one of them says how much goes; found both"
        )
    if not to_levels and limits.budget is None and limits.neurons:
        raise UserError("neurons: how many go is said by a level or a budget; found neither")
    if limits.budget is not None and params.scope != "global":
        raise UserError(f"scope: a budget is of the whole network (global); found {params.scope!r}")
    if not to_levels and params.finetune is not None and method.rounds(method_params) > 1:
        raise UserError(
            f"method: a budget, or a structure alone, is pruned to in one round; {method.name} has several, between "
            "which it fine-tunes: give a level, no fine-tuning, or another method"
        )


def prune_limited(
    network: Network,
    train: Split,
    validation: Split | None,
    method: Method,
    method_params: Block,
    params: Pruning,
    limits: Limits,
    *,
    to_levels: bool,
    seed: int,
    **others: Any,
) -> tuple[list[PrunedLevel], Achieved | None]:
    """`prune_levels` within `limits`, with `others` of its arguments: to the levels of `params`, or in one step to the
    budget, or without one to what the structure leaves. Raises UserError: both levels and a budget; whole neurons
    without either, or of a network that is no plain sequence; limits that cannot be met; a budget of each layer, or
    without levels a method that prunes to one in several rounds.

    Operations and energy are counted of the network as it is. After fine-tuning its spikes are others: where it takes
    more than the budget then, it is pruned further, up to `ROUNDS` times in all. The last level is the network's.
    """
    require_possible(method, method_params, params, limits, to_levels=to_levels)
    if limits.neurons and not isinstance(network, SpikingNetwork):
        raise UserError("neurons: whole ones can be removed of a plain sequence of layers; this runs its own forward")
    rows = shuffled_batches(len(train.labels), SAMPLES, seed)[0]
    sample = Split(train.images[rows], train.labels[rows])
    given = (network, train, validation)
    if to_levels:
        method = limited(method, limits, params.targets) if limits.any else method
        levels = prune_levels(*given, method, method_params, params, seed=seed, **others)
        return levels, _achieved(network, levels[-1].mask, sample, limits, None) if limits.any else None
    dense = copy.deepcopy(network)
    mask, levels, choice = Mask.dense(prunable_weights(network)), [], None
    frozen = cache(make_problem(dense, mask, 0.0, train, params, seed_path=(seed, 0)).criticality)
    for index in range(ROUNDS):
        problem = make_problem(network, mask, 0.0, train, params, seed_path=(seed, index))
        if params.criticality.frozen:
            problem = replace(problem, criticality=frozen)
        if limits.budget is None:
            mask = within_structure(scores_of(method, problem, method_params), mask, limits)
        else:
            kind, limit = limits.budget
            costs = costs_of(kind, network, sample, limits.hardware)
            if levels:
                if (now := costs.of(mask)) <= limit:
                    break
                # it will rise again in proportion
                limit -= (now - limit) * (limit - costs.fixed) / (now - costs.fixed)
            scores = scores_of(method, problem, method_params, summed=True)
            try:
                mask, choice = _chosen(scores, mask, costs, limit, limits)
            except Impossible:
                if not levels:
                    raise
                break  # what was fine-tuned is not lost; it says that it is over the budget
        step = params.model_copy(update={"levels": [_level(mask)], "schedule": None})
        # the dense net is the teacher of distillation and, where nothing is fine-tuned, what is compensated
        start = copy_parameters(dense if params.finetune is None else network)
        load_parameters(network, copy_parameters(dense))
        fixed = replace(method, prune=_onward(network, start, mask), exact=True)
        levels += prune_levels(*given, fixed, method_params, step, seed=seed, **others)
        if limits.budget is None or limits.budget[0] == "bytes":
            break
    return levels, _achieved(network, mask, sample, limits, choice)


def _onward(network: Network, start: dict[str, Tensor], mask: Mask) -> Callable[[Problem, Block], Mask]:
    """The `prune` of a method that knows its mask; the network goes on from these parameters."""

    def prune(problem: Problem, params: Block) -> Mask:
        load_parameters(network, start)
        return mask

    return prune


def _achieved(network: Network, mask: Mask, sample: Split, limits: Limits, choice: Choice | None) -> Achieved:
    counted, profile = measure(network, sample), limits.hardware
    found = Achieved(
        sparsity=mask.sparsity,
        nnz=mask.nnz,
        bytes=int(byte_costs(network, sample).of(mask)),
        operations=counted.macs_once + counted.acs,
        energy_pj=energy_pj(
            counted.macs_once, counted.acs, counted.neuron_updates, profile, counted.total.index_bits_once
        ),
    )
    if limits.budget is None:
        return found
    kind, limit = limits.budget
    of_bound = None if choice is None else choice.score / choice.bound
    return replace(found, within=getattr(found, kind) <= limit, of_bound=of_bound)


def _chosen(scores: Layers, mask: Mask, costs: Costs, limit: float, limits: Limits) -> tuple[Mask, Choice | None]:
    """Raises Impossible: nothing comes within the limit. Raises UserError: everything does."""
    key = f"max_{limits.budget[0]}"
    allowed = within_structure(scores, mask, limits)
    if allowed.nnz == mask.size and costs.of(mask) <= limit:
        raise UserError(f"{key}: the network takes {costs.of(mask):,.0f} as it is; there is nothing to prune")
    if limits.neurons:
        kept = whole_neurons(scores, allowed, costs, limit)
        if costs.of(kept) > limit:
            raise _impossible(key, limit, costs.of(kept), "one neuron in each hidden layer", costs.fixed)
        return kept, None
    living = {name: layer.masked_fill(~mask[name], -torch.inf) for name, layer in scores.items()}
    choice = within_budget(
        living,
        costs.by_synapse,
        limit - costs.fixed,
        lambda worth: within_structure(worth, mask, limits),
        per_cost=limits.per_cost,
        of_neurons=costs.of_neurons,
    )
    if not choice.mask.nnz:
        first = first_synapse(living, costs.by_synapse, per_cost=limits.per_cost)
        if not first.nnz:
            raise Impossible(f"{key}: no synapse has both a score above 0 and an input that is ever other than 0")
        raise _impossible(key, limit, costs.of(first), "one synapse, the best", costs.fixed)
    return choice.mask, choice


def _impossible(key: str, limit: float, least: float, left: str, fixed: float) -> Impossible:
    return Impossible(
        f"{key}: found {limit:,.12g}; the least that is possible is {ceil(least):,}, with {left} ({fixed:,.0f} are the "
        f"net's whatever it keeps)"
    )


def _at_most(scores: Tensor, keep: int) -> Tensor:
    """Which are the `keep` highest, all where there are fewer."""
    return keep_top(scores, min(keep, len(scores)))


def _require_enough(allowed: Mask, problem: Problem) -> None:
    if problem.scope == "global" and allowed.nnz < problem.keep:
        raise UserError(
            f"level: {problem.keep:,} synapses are to be kept, but the limits leave {allowed.nnz:,}: the lowest level "
            f"is {_level(allowed)}"
        )


def _level(mask: Mask) -> float:
    """The sparsity, with as few digits as give the number of synapses."""
    return next(
        level for digits in range(2, 18) if keep_count(level := round(mask.sparsity, digits), mask.size) == mask.nnz
    )
