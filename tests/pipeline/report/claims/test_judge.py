"""From the evidence to claims.json: made cases with known verdicts, the table of claims, and the committed results."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import pytest

from pipeline.io import paths
from pipeline.report.claims.claims import Claim, Condition, load_claims
from pipeline.report.claims.evidence import Evidence, Measured, NotMeasured, Reading
from pipeline.report.claims.judge import PROTOCOLS, RULE, VERDICTS, JudgedClaim, judge, judge_claim
from pipeline.report.statistics import describe
from pipeline.study import available
from tests.imports import PROJECT
from tests.pipeline.report.tables import comparison_of

CLAIMS = load_claims()
EMPTY = Evidence(comparison_of())


def lacking(found: Evidence) -> Measured:
    raise NotMeasured("no such study")


def giving(values: Sequence[float]) -> Callable[[Evidence], Measured]:
    return lambda found: Measured(describe(values), "at 90 %")


def condition(fair: Sequence[float] | None, paper: Sequence[float] | None, **changes: Any) -> Condition:
    """`margin` above 0, the paper's number is 2; None is a study that is lacking."""
    ours, theirs = (
        Reading(source, lacking if values is None else giving(values))
        for source, values in (("compare", fair), ("paper", paper))
    )
    about = {"quantity": "margin", "unit": "points", "side": "above", "threshold": 0, "paper_value": 2} | changes
    return Condition(**about, fair=ours, paper=theirs)


def judged(*conditions: Condition) -> JudgedClaim:
    return judge_claim(EMPTY, "made", Claim("id", "It is so.", "2 points", "fair means", "paper means", conditions))


ABOVE, BELOW, ACROSS, ONE_SEED = [1.0, 1.1, 1.2], [-1.0, -1.1, -1.2], [-1.0, 0.0, 1.5], [1.0]


@pytest.mark.parametrize(
    ("fair", "paper", "verdict"),
    [
        (ABOVE, BELOW, "reproduced"),
        (ABOVE, None, "reproduced"),
        (BELOW, ABOVE, "reproduced only under the paper protocol"),
        (ACROSS, ABOVE, "reproduced only under the paper protocol"),
        (None, ABOVE, "reproduced only under the paper protocol"),
        (BELOW, BELOW, "not reproduced"),
        (ACROSS, None, "not reproduced"),
        (None, ACROSS, "not reproduced"),
        (ONE_SEED, BELOW, "not reproduced"),
        (ONE_SEED, ONE_SEED, "not measured"),
        (None, None, "not measured"),
    ],
)
def test_each_verdict(fair: list[float] | None, paper: list[float] | None, verdict: str) -> None:
    assert judged(condition(fair, paper)).verdict == verdict


def test_all_conditions_must_hold() -> None:
    assert judged(condition(ABOVE, ABOVE), condition(ABOVE, ABOVE)).verdict == "reproduced"
    mixed = judged(condition(ABOVE, ABOVE), condition(ACROSS, ABOVE, quantity="other"))
    assert mixed.verdict == "reproduced only under the paper protocol"
    assert [entry["outcome"] for entry in mixed.protocols.values()] == ["undecided", "holds"]
    assert "other -" not in mixed.why.split("; paper")[1]
    assert judged(condition(ABOVE, BELOW), condition(None, BELOW)).verdict == "not reproduced"


def test_a_claim_says_what_was_measured_why_and_by_what() -> None:
    claim = judged(condition(ABOVE, BELOW))
    assert claim.protocols["paper"] == {"meaning": "paper means", "outcome": "does not hold"}
    (found,) = claim.conditions
    about = (found.quantity, found.side, found.threshold, found.threshold_of, found.paper_value)
    assert about == ("margin", "above", 0, "the paper", 2)
    assert (found.fair.n, found.fair.mean, found.fair.size) == (3, pytest.approx(1.1), "smaller")
    assert found.fair.low == pytest.approx(describe(ABOVE).low)
    assert claim.why == "fair: margin +1.10 (+0.85 to +1.35) points is above 0 (smaller than the paper's 2)"
    assert [(maker["command"], maker["file"]) for maker in claim.made_by] == [
        ("dvc repro compare@made", "results/made/compare/summary.json"),
        ("dvc repro study@made-paper", "results/made/studies/paper/table.csv"),
    ]


def test_why_names_what_settles_it() -> None:
    assert judged(condition(None, None)).why == "fair: not measured: no such study; paper: not measured: no such study"
    undecided = judged(condition(ACROSS, BELOW)).why
    assert "fair: margin +0.17 (-2.96 to +3.29) points may or may not be above 0; paper: margin -1.10" in undecided
    assert "no interval from one seed" in judged(condition(ONE_SEED, None)).why


def test_an_experiment_without_studies_has_every_claim() -> None:
    found = judge(EMPTY, "made")
    assert [claim.id for claim in found.claims] == [claim.id for claim in CLAIMS]
    assert found.verdicts == {verdict: len(CLAIMS) if verdict == "not measured" else 0 for verdict in VERDICTS}
    assert found.rule == list(RULE)
    json.dumps(asdict(found), allow_nan=False)


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
    assert [claim["id"] for claim in found["claims"]] == [claim.id for claim in CLAIMS]
    for claim in found["claims"]:
        assert claim["verdict"] in VERDICTS
        seeds = [one[protocol]["n"] for one in claim["conditions"] for protocol in PROTOCOLS if one[protocol]["n"]]
        assert set(seeds) <= {3}
        assert bool(seeds) == (claim["verdict"] != "not measured")
        for made in claim["made_by"]:
            assert (PROJECT / made["file"]).is_file()
