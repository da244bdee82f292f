"""The best synapses whose costs come within a budget, and a bound on what any mask within it can score.

The best first, until the budget is full: where every synapse costs the same, this is a sort with the largest sum of
scores, exactly, limits of structure (`snnprune.limits.structure`) included. Where costs differ, the largest sum is a
knapsack problem, which is NP-hard, and neither choice here is exact:

- by score, the ranking of the method, as a level has it;
- by score for each unit of cost, the greedy choice for a knapsack. With limits of structure it is that of the
  Lagrangian relaxation: at a price of a unit of cost a synapse is worth score - price * cost, the structure is met by
  sorts, and the lowest price at which the budget holds is found by bisection.

At every price >= 0 the worth of the best choice and price * budget together are a bound that no mask within the budget
passes (Fisher 1981); at the best price, without structure, it is the optimum of the fractional knapsack (Dantzig 1957).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from snnprune.pruning.mask import Mask, flatten, unflatten
from snnprune.pruning.problem import Layers

HALVINGS = 60  # of the interval in which the price lies


@dataclass(frozen=True)
class Choice:
    """score: the summed score of the mask. bound: what no mask within the budget can pass; the same where exact."""

    mask: Mask
    score: float
    bound: float


def within_budget(
    scores: Layers,
    costs: Layers,
    limit: float,
    best_of: Callable[[Layers], Mask] = Mask.dense,
    *,
    per_cost: bool = False,
) -> Choice:
    """The first synapses by score, or by score for each unit of cost (`per_cost`), that come within `limit`.

    scores, costs: in the weights' shapes, costs >= 0. What has no score (<= 0, also -inf) is not kept, nor what has no
    cost: its input is always zero, so that it does nothing.
    best_of: the best synapses within the limits of structure by any numbers, of which -inf is never one.
    The mask is empty where no synapse is cheap enough.
    """
    score, cost = flatten(scores).double(), flatten(costs).double()
    score = torch.where((score > 0) & (cost > 0), score, 0.0)
    ratio = torch.where(cost > 0, score / cost, 0.0)

    def at(price: float) -> tuple[Tensor, float]:
        """What is kept at a price, and the bound by it."""
        worth = score - price * cost
        kept = best_of(unflatten(worth.masked_fill(worth <= 0, -torch.inf), scores)).vector() & (worth > 0)
        return kept, float(worth[kept].sum()) + price * limit

    def choice(kept: Tensor, bound: float | None = None) -> Choice:
        reached = float(score[kept].sum())
        return Choice(Mask(unflatten(kept, scores)), reached, reached if bound is None else bound)

    free, bound = at(0.0)
    if cost[free].sum() <= limit:
        return choice(free)
    if (cost[free] == cost[free][0]).all():
        return choice(_first(free, score, cost, limit))
    low, high, over, fits = 0.0, float(ratio.max()), free, torch.zeros_like(free)
    for _ in range(HALVINGS):
        price = (low + high) / 2
        kept, passed = at(price)
        bound = min(bound, passed)
        if cost[kept].sum() <= limit:
            high, fits = price, kept
        else:
            low, over = price, kept
    if not per_cost:
        return choice(_first(free, score, cost, limit), bound)
    return choice(max(_first(over, ratio, cost, limit), fits, key=lambda kept: float(score[kept].sum())), bound)


def cheapest(scores: Layers, costs: Layers) -> float:
    """The cost of the cheapest synapse that has a score and a cost; infinite where none has both."""
    score, cost = flatten(scores), flatten(costs)
    return float(torch.where((score > 0) & (cost > 0), cost, torch.inf).min())


def _first(kept: Tensor, rank: Tensor, cost: Tensor, limit: float) -> Tensor:
    """Of `kept` the first by `rank` that come within the limit; equal ones lower index first."""
    order = torch.sort(rank, descending=True, stable=True).indices
    order = order[kept[order]]
    return torch.zeros_like(kept).index_fill(0, order[cost[order].cumsum(0) <= limit], True)
