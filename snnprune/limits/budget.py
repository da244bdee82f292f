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

Neurons may cost something beside their synapses, as long as they can matter (`snnprune.energy.live`). More synapses
keep no fewer of them, so that the most of a ranking within the budget is found by bisection, exactly. The bound takes
neurons for free: it holds, but is further from what is possible.
"""

from bisect import bisect_left
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
    of_neurons: Callable[[Mask], float] = lambda mask: 0.0,
) -> Choice:
    """The first synapses by score, or by score for each unit of cost (`per_cost`), that come within `limit`.

    scores, costs: in the weights' shapes, costs >= 0. What has no score (<= 0, also -inf) is not kept, nor what has no
    cost: its input is always zero, so that it does nothing.
    best_of: the best synapses within the limits of structure by any numbers, of which -inf is never one.
    of_neurons: what a mask costs beside its synapses; no more for a mask inside it.
    The mask is empty where not even the first synapse comes within the limit, or none has a score and a cost.
    """
    score, cost, ratio = _worth(scores, costs)

    def at(price: float) -> tuple[Tensor, float]:
        """What is kept at a price, and the bound by it."""
        worth = score - price * cost
        kept = best_of(unflatten(worth.masked_fill(worth <= 0, -torch.inf), scores)).vector() & (worth > 0)
        return kept, float(worth[kept].sum()) + price * limit

    def beside(kept: Tensor) -> float:
        return of_neurons(Mask(unflatten(kept, scores)))

    def fits(kept: Tensor) -> bool:
        return float(cost[kept].sum()) + beside(kept) <= limit

    def choice(kept: Tensor, bound: float | None = None) -> Choice:
        reached = float(score[kept].sum())
        return Choice(Mask(unflatten(kept, scores)), reached, reached if bound is None else bound)

    free, bound = at(0.0)
    if not free.any() or fits(free):
        return choice(free)
    if (cost[free] == cost[free][0]).all() and not beside(free):
        return choice(_first(free, score, fits))
    low, high, over, best = 0.0, float(ratio.max()), free, torch.zeros_like(free)
    for _ in range(HALVINGS):
        price = (low + high) / 2
        kept, passed = at(price)
        bound = min(bound, passed)
        if fits(kept):
            high, best = price, kept
        else:
            low, over = price, kept
    if not per_cost:
        return choice(_first(free, score, fits), bound)
    return choice(max(_first(over, ratio, fits), best, key=lambda kept: float(score[kept].sum())), bound)


def first_synapse(scores: Layers, costs: Layers, *, per_cost: bool = False) -> Mask:
    """The synapse that `within_budget` begins with, alone; an empty mask where none has a score and a cost."""
    score, _, ratio = _worth(scores, costs)
    return Mask(unflatten(_first(score > 0, ratio if per_cost else score, lambda kept: kept.sum() < 2), scores))


def _worth(scores: Layers, costs: Layers) -> tuple[Tensor, Tensor, Tensor]:
    """Scores, 0 of what is never kept, costs, and scores for each unit of cost, in vectors, float64."""
    score, cost = flatten(scores).double(), flatten(costs).double()
    score = torch.where((score > 0) & (cost > 0), score, 0.0)
    return score, cost, torch.where(cost > 0, score / cost, 0.0)


def _first(kept: Tensor, rank: Tensor, fits: Callable[[Tensor], bool]) -> Tensor:
    """Of `kept` the first by `rank`, as many as fit; equal ones lower index first."""
    order = torch.sort(rank, descending=True, stable=True).indices
    order = order[kept[order]]

    def first(count: int) -> Tensor:
        return torch.zeros_like(kept).index_fill(0, order[:count], True)

    return first(bisect_left(range(1, len(order) + 1), True, key=lambda count: not fits(first(count))))
