"""The scores that a method ranks synapses by, asked of the method itself."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields

from torch import Tensor

from snnprune.core.errors import UserError
from snnprune.core.schema import Block
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Layers, Method, Pick, Problem


@dataclass(frozen=True)
class _Asking(Problem):
    """A problem that notes what a method gives to `keep_top`, and None where it chooses by a rule of its own."""

    given: list[tuple[Layers, Layers | None] | None] = field(default_factory=list)

    def keep_top(self, scores: Layers, protected: Layers | None = None) -> Mask:
        self.given.append((scores, protected))
        return self.mask

    def choose(self, rule: Callable[[Pick, int], Tensor]) -> Mask:
        self.given.append(None)
        return self.mask


def scores_of(method: Method, problem: Problem, params: Block, *, summed: bool = False) -> Layers:
    """The method's score of every synapse, in the weights' shapes. summed: they are to be added up, not only ranked.
    Raises UserError: it does not choose by one score alone, or one of a synapse in the mask is not finite (`at_kept`),
    or below 0 where they are summed."""
    asking = _Asking(**{part.name: getattr(problem, part.name) for part in fields(Problem)})
    method.prune(asking, params)
    if len(asking.given) != 1 or asking.given[0] is None:
        raise UserError(
            f"method: limits need one that gives every synapse a score, such as cqp, magnitude, gradient or random; "
            f"found {method.name!r}, which chooses in another way"
        )
    scores, protected = asking.given[0]
    if protected is not None:
        raise UserError(f"method: limits allow no protected synapses; {method.name} protects some (tau)")
    kept = problem.at_kept(scores, problem.mask)
    if summed and (kept < 0).any():
        raise UserError(
            f"method: budgets and whole neurons add up scores, which must not be below 0; {method.name}'s are; it can "
            f"prune to a level, with fan_in or pattern"
        )
    return scores
