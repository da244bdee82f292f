"""The rule by which a claim is judged: from measured 95 % intervals, a threshold and a side to a verdict."""

from collections.abc import Sequence
from typing import Literal, get_args

from pipeline.report.statistics import Interval

Side = Literal["above", "at least"]
Outcome = Literal["holds", "does not hold", "undecided", "not measured"]
Size = Literal["as claimed", "larger", "smaller"]
Verdict = Literal["reproduced", "reproduced only under the paper protocol", "not reproduced", "not measured"]

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
TOLERANCE = 1e-9  # a bound this close to the threshold lies on it: what is left is floating-point noise

# For people; what stands here is what the functions below compute.
RULE = (
    "Each claim is one or more conditions: a quantity, a side and a threshold. Where the paper states a number, it is "
    "the threshold; where it says that one thing beats another, the threshold is zero. A threshold of ours is marked.",
    "A condition holds when the whole 95 % interval over seeds lies on the claimed side, does not hold when the whole "
    "interval lies on the other side, and is undecided in between. One seed has no interval: not measured.",
    "A claim holds under a protocol when all its conditions hold there. One that does not hold settles it, whatever "
    "else is not measured.",
    "Verdict: reproduced when it holds under protocol fair; reproduced only under the paper protocol when it holds "
    "there alone; not measured when neither protocol gives an answer; not reproduced otherwise, undecided included.",
    "The size stands beside and does not enter the verdict: as claimed when the interval contains the paper's number, "
    "larger or smaller when it lies above or below. Intervals are not corrected for the number of claims.",
)


def outcome_of(interval: Interval | None, side: Side, threshold: float) -> Outcome:
    """Whether a quantity lies on the claimed side of the threshold, by its 95 % interval.

    `above` excludes the threshold, `at least` includes it. None and a single seed are not measured.
    """
    if interval is None or interval.low is None:
        return "not measured"
    edge = TOLERANCE if side == "above" else -TOLERANCE
    if interval.low - threshold > edge:
        return "holds"
    if interval.high - threshold <= edge:
        return "does not hold"
    return "undecided"


def all_hold(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome of a claim under one protocol from those of its conditions. Raises ValueError when there is none."""
    if not outcomes:
        raise ValueError("a claim without conditions")
    for outcome in ("does not hold", "not measured", "undecided"):
        if outcome in outcomes:
            return outcome
    return "holds"


def verdict_of(fair: Outcome, paper: Outcome) -> Verdict:
    """The verdict from the outcomes under both protocols."""
    if fair == "holds":
        return "reproduced"
    if paper == "holds":
        return "reproduced only under the paper protocol"
    if fair == paper == "not measured":
        return "not measured"
    return "not reproduced"


def size_of(interval: Interval | None, claimed: float | None) -> Size | None:
    """How a measured interval lies to the paper's number; None where one of them is missing."""
    if interval is None or interval.low is None or claimed is None:
        return None
    if interval.low > claimed + TOLERANCE:
        return "larger"
    if interval.high < claimed - TOLERANCE:
        return "smaller"
    return "as claimed"
