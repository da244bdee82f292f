"""The rule: every outcome, every verdict, the boundary, a missing interval."""

from typing import get_args

import pytest

from pipeline.report.claims.claims import Side
from pipeline.report.claims.judge import (
    Outcome,
    Size,
    Verdict,
    all_hold,
    outcome_of,
    size_of,
    verdict_of,
)
from pipeline.report.statistics import Interval, describe

NOISE = 1e-12


def interval(low: float, high: float) -> Interval:
    return Interval(5, (low + high) / 2, 1.0, low, high)


@pytest.mark.parametrize(
    ("low", "high", "side", "outcome"),
    [
        (0.1, 0.3, "above", "holds"),
        (-0.1, 0.3, "above", "undecided"),
        (-0.3, -0.1, "above", "does not hold"),
        (0.0, 0.3, "above", "undecided"),  # the threshold itself is not above it
        (-0.3, 0.0, "above", "does not hold"),
        (0.0, 0.0, "above", "does not hold"),
        (NOISE, NOISE, "above", "does not hold"),
        (0.0, 0.3, "at least", "holds"),  # the threshold itself is at least it
        (0.0, 0.0, "at least", "holds"),
        (-NOISE, -NOISE, "at least", "holds"),
        (-0.3, 0.0, "at least", "undecided"),
        (-0.3, -0.1, "at least", "does not hold"),
        (-0.1, 0.3, "at least", "undecided"),
    ],
)
def test_a_condition_needs_the_whole_interval_on_its_side(low: float, high: float, side: Side, outcome: str) -> None:
    assert outcome_of(interval(low, high), side, 0.0) == outcome
    assert outcome_of(interval(low + 73, high + 73), side, 73.0) == outcome


@pytest.mark.parametrize("side", get_args(Side))
def test_without_an_interval_nothing_was_measured(side: Side) -> None:
    assert outcome_of(None, side, 0.0) == "not measured"
    assert outcome_of(describe([99.0]), side, 0.0) == "not measured"
    assert outcome_of(describe([99.0, 99.1]), side, 0.0) == "holds"


@pytest.mark.parametrize(
    ("outcomes", "together"),
    [
        (["holds"], "holds"),
        (["holds", "holds"], "holds"),
        (["holds", "undecided"], "undecided"),
        (["undecided", "not measured", "holds"], "not measured"),
        (["holds", "not measured", "does not hold"], "does not hold"),
        (["undecided", "does not hold"], "does not hold"),
    ],
)
def test_a_claim_holds_when_all_its_conditions_do(outcomes: list[Outcome], together: Outcome) -> None:
    assert all_hold(outcomes) == together
    assert all_hold(outcomes[::-1]) == together


def test_a_claim_without_conditions_is_refused() -> None:
    with pytest.raises(ValueError, match="without conditions"):
        all_hold([])


@pytest.mark.parametrize("fair", get_args(Outcome))
@pytest.mark.parametrize("paper", get_args(Outcome))
def test_every_pair_of_outcomes_has_its_verdict(fair: Outcome, paper: Outcome) -> None:
    expected: Verdict = "not reproduced"
    if fair == "holds":
        expected = "reproduced"
    elif paper == "holds":
        expected = "reproduced only under the paper protocol"
    elif (fair, paper) == ("not measured", "not measured"):
        expected = "not measured"
    assert verdict_of(fair, paper) == expected


@pytest.mark.parametrize(
    ("low", "high", "size"),
    [
        (1.0, 2.0, "smaller"),
        (2.0, 2.2, "as claimed"),
        (2.0, 3.0, "as claimed"),
        (2.2, 2.2, "as claimed"),
        (3, 4, "larger"),
    ],
)
def test_the_size_beside_the_papers_number(low: float, high: float, size: Size) -> None:
    assert size_of(interval(low, high), 2.2) == size


def test_no_size_without_a_number_or_an_interval() -> None:
    assert size_of(interval(1, 2), None) is None
    assert size_of(None, 2.2) is None
    assert size_of(describe([2.2]), 2.2) is None
