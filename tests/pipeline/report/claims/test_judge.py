"""From the evidence to claims.json: made cases with known verdicts, the table of claims, and the committed results."""

import json
from dataclasses import asdict, replace
from typing import Any, get_args

import pytest

from pipeline.io import paths
from pipeline.report.claims.claims import Claim, Condition, Side, claims_on, load_claims
from pipeline.report.claims.evidence import Evidence, Measured, NotMeasured, Reading
from pipeline.report.claims.judge import (
    PROTOCOLS,
    RULE,
    VERDICTS,
    Found,
    JudgedClaim,
    Outcome,
    Size,
    Verdict,
    judge,
    judge_claim,
)
from pipeline.report.claims.table import claim_table
from pipeline.report.statistics import Interval, describe, paired_difference
from pipeline.study import available
from tests.imports import PROJECT
from tests.pipeline.report.tables import comparison_of

CLAIMS = load_claims()
MADE = claims_on("made")
EMPTY = Evidence(comparison_of(), "made")
NOISE = 1e-12


def reading(source: str, measured: Interval | None) -> Reading:
    """What gives this interval; None is a study that is lacking."""

    def read(found: Evidence) -> Measured:
        if measured is None:
            raise NotMeasured("no such study")
        return Measured(measured, "at 90 %")

    return Reading(source, read)


def condition(fair: Interval | None, paper: Interval | None = None, **changes: Any) -> Condition:
    """`margin` above 0, the paper's number is 2."""
    about = {"quantity": "margin", "unit": "points", "side": "above", "threshold": 0, "paper_value": 2} | changes
    return Condition(**about, fair=reading("compare", fair), paper=reading("paper", paper))


def judged(*conditions: Condition) -> JudgedClaim:
    return judge_claim(EMPTY, "made", Claim("id", "It is so.", "2 points", "fair means", "paper means", conditions))


def interval(low: float, high: float) -> Interval:
    return Interval(5, (low + high) / 2, 1.0, low, high)


ABOVE, BELOW, ACROSS = describe([1.0, 1.1, 1.2]), describe([-1.0, -1.1, -1.2]), describe([-1.0, 0.0, 1.5])
ONE_SEED = describe([1.0])
OUTCOMES = {"holds": ABOVE, "does not hold": BELOW, "undecided": ACROSS, "not measured": None}


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
    for threshold in (0.0, 73.0):
        found = interval(low + threshold, high + threshold)
        (one,) = judged(condition(found, side=side, threshold=threshold)).conditions
        assert one.fair.outcome == outcome


@pytest.mark.parametrize("side", get_args(Side))
def test_without_an_interval_nothing_was_measured(side: Side) -> None:
    (one,) = judged(condition(None, ONE_SEED, side=side)).conditions
    assert (one.fair.outcome, one.paper.outcome) == ("not measured", "not measured")


@pytest.mark.parametrize(
    ("outcomes", "together"),
    [
        (["holds", "holds"], "holds"),
        (["holds", "undecided"], "undecided"),
        (["undecided", "not measured", "holds"], "not measured"),
        (["holds", "not measured", "does not hold"], "does not hold"),
        (["undecided", "does not hold"], "does not hold"),
    ],
)
def test_a_claim_holds_when_all_its_conditions_do(outcomes: list[Outcome], together: Outcome) -> None:
    for order in (outcomes, outcomes[::-1]):
        claim = judged(*(condition(OUTCOMES[outcome], ABOVE) for outcome in order))
        assert [entry["outcome"] for entry in claim.protocols.values()] == [together, "holds"]


def test_a_claim_without_conditions_is_refused() -> None:
    with pytest.raises(ValueError, match="without conditions"):
        judged()


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
    assert judged(condition(OUTCOMES[fair], OUTCOMES[paper])).verdict == expected


@pytest.mark.parametrize(
    ("measured", "claimed", "size"),
    [
        (interval(1, 2), 2.2, "smaller"),
        (interval(2, 2.2), 2.2, "as claimed"),
        (interval(2, 3), 2.2, "as claimed"),
        (interval(2.2, 2.2), 2.2, "as claimed"),
        (interval(3, 4), 2.2, "larger"),
        (interval(1, 2), None, None),
        (None, 2.2, None),
        (ONE_SEED, 2.2, None),
    ],
)
def test_the_size_beside_the_papers_number(measured: Interval | None, claimed: float | None, size: Size | None) -> None:
    (one,) = judged(condition(measured, paper_value=claimed)).conditions
    assert one.fair.size == size


def test_a_claim_says_what_was_measured_why_and_by_what() -> None:
    claim = judged(condition(ABOVE, BELOW))
    assert claim.protocols["paper"] == {"meaning": "paper means", "outcome": "does not hold"}
    (found,) = claim.conditions
    about = (found.quantity, found.side, found.threshold, found.threshold_of, found.paper_value)
    assert about == ("margin", "above", 0, "the paper", 2)
    assert (found.fair.n, found.fair.mean, found.fair.size) == (3, pytest.approx(1.1), "smaller")
    assert found.fair.low == pytest.approx(ABOVE.low)
    assert claim.why == "fair: margin +1.10 (+0.85 to +1.35) points, which is above 0 (smaller than the paper's 2)"
    assert [(maker["command"], maker["file"]) for maker in claim.made_by] == [
        ("dvc repro compare@made", "results/made/compare/summary.json"),
        ("dvc repro study@made-paper", "results/made/studies/paper/table.csv"),
    ]


def test_why_names_what_settles_it() -> None:
    assert judged(condition(None, None)).why == "fair: not measured: no such study; paper: not measured: no such study"
    undecided = judged(condition(ACROSS, BELOW)).why
    assert (
        "fair: margin +0.17 (-2.96 to +3.29) points, which may or may not be above 0; paper: margin -1.10" in undecided
    )
    assert "no interval from one seed" in judged(condition(ONE_SEED)).why
    mixed = judged(condition(ABOVE, ABOVE), condition(ACROSS, ABOVE, quantity="other")).why
    assert "other" in mixed.split("; paper")[0] and "margin" not in mixed.split("; paper")[0]


def test_a_condition_beside_the_papers_number() -> None:
    fair = Found(5, 1.5, 1.25, 1.75, "at 90 %", "holds", "larger")
    paper = Found(None, None, None, None, "no such study", "not measured", None)
    condition = Condition("steps left out", "steps", "at least", 1, fair, paper, threshold_of="ours")
    table = claim_table(JudgedClaim("id", "It is so.", "1 step", "reproduced", "so", {}, [condition], []))
    assert table.rows == [
        [
            "steps left out",
            "at least 1 step (our threshold)",
            "no number",
            "1.50 (1.25 to 1.75) steps\nholds, larger, at 90 %, 5 seeds",
            "not measured: no such study",
        ]
    ]


def test_an_experiment_without_studies_has_every_claim() -> None:
    found = judge(EMPTY, "made")
    assert [claim.id for claim in found.claims] == [claim.id for claim in MADE]
    assert found.verdicts == {verdict: len(MADE) if verdict == "not measured" else 0 for verdict in VERDICTS}
    assert found.rule == list(RULE)
    json.dumps(asdict(found), allow_nan=False)


def test_a_number_of_a_dataset_is_judged_on_it_alone() -> None:
    conditions = {
        dataset: {claim.id: len(claim.conditions) for claim in claims_on(dataset)}
        for dataset in ("mnist", "fashion_mnist", "digits")
    }
    assert {name: found.get("cqp_at_90") for name, found in conditions.items()} == {
        "mnist": 2,
        "fashion_mnist": 1,
        "digits": 1,
    }
    assert {name: found.get("cqp_on_fashion") for name, found in conditions.items()} == {
        "mnist": None,
        "fashion_mnist": 2,
        "digits": None,
    }


def test_claims_that_were_not_measured_are_left_out_in_one_line_that_says_why() -> None:
    found = judge(EMPTY, "made")
    assert found.measured == []
    assert found.left_out.startswith(f"Not measured here and left out: {len(MADE)} of {len(MADE)} claims (no margin of")
    assert "no study energy; " in found.left_out and "not run" not in found.left_out
    assert found.left_out.count("no study energy") == 1
    one_seed = {"method": "cqp", "level": 0.9, "margin": paired_difference([0.9], [0.8])}
    assert "no interval from one seed" in judge(Evidence(comparison_of(one_seed), "made"), "made").left_out
    measured = replace(found, claims=[judged(condition(ABOVE))])
    assert (len(measured.measured), measured.left_out) == (1, "")


def test_a_saving_with_a_constant_input_says_both_conventions() -> None:
    measured = Measured(interval(4.4, 6.4), "T' = 8 of 10 steps", interval(19.8, 20.2))
    saved = Condition("saved", "%", "at least", 10, Reading("energy", lambda found: measured), None, 10)
    claim = judged(saved)
    assert claim.verdict == "not reproduced"
    assert "is not at least 10 (with the input counted at every step 20.00 (19.80 to 20.20) %: holds)" in claim.why
    cell = claim_table(claim).rows[0][3]
    assert cell.endswith(
        "T' = 8 of 10 steps, 5 seeds, with the input counted at every step 20.00 (19.80 to 20.20) %: holds"
    )


def test_the_table_of_claims_is_sound() -> None:
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS)
    for claim in CLAIMS:
        assert claim.fair and claim.paper and claim.conditions
        for one in claim.conditions:
            assert one.fair or one.paper
            # The number is the threshold where the paper states one, but for a difference of which the sign is claimed.
            assert one.threshold in (one.paper_value, 0) or one.threshold_of == "ours"
            for reading in (one.fair, one.paper):
                assert reading is None or reading.source in ("compare", *available())


def test_every_claim_is_judged_in_the_results_in_git() -> None:
    file = PROJECT / paths.report_folder("digits") / "claims.json"
    found = json.loads(file.read_text(encoding="utf-8"))
    assert [claim["id"] for claim in found["claims"]] == [claim.id for claim in claims_on("digits")]
    for claim in found["claims"]:
        assert claim["verdict"] in VERDICTS
        seeds = [one[protocol]["n"] for one in claim["conditions"] for protocol in PROTOCOLS if one[protocol]["n"]]
        assert set(seeds) <= {3, 10}  # of a study, of the comparison
        assert bool(seeds) == (claim["verdict"] != "not measured")
        for made in claim["made_by"]:
            assert (PROJECT / made["file"]).is_file()
