"""Judges the claims: from the evidence to `claims.json`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pipeline.report.claims.claims import CLAIMS, Claim, Condition
from pipeline.report.claims.evidence import Evidence, NotMeasured, Reading
from pipeline.report.claims.verdict import (
    RULE,
    VERDICTS,
    Outcome,
    Size,
    Verdict,
    all_hold,
    outcome_of,
    size_of,
    verdict_of,
)

Protocol = Literal["fair", "paper"]
PROTOCOLS: tuple[Protocol, ...] = ("fair", "paper")
VERBS = {"holds": "is", "does not hold": "is not", "undecided": "may or may not be"}


@dataclass(frozen=True)
class Found:
    """A quantity as measured under one protocol; `where` says of what, or why it was not measured."""

    n: int | None
    mean: float | None
    low: float | None
    high: float | None
    where: str
    outcome: Outcome
    size: Size | None


@dataclass(frozen=True)
class ProtocolOutcome:
    """What a protocol means for a claim, and whether the claim holds under it."""

    meaning: str
    outcome: Outcome


@dataclass(frozen=True)
class Maker:
    """A stage that measured something for a claim, its command, and the file that holds it."""

    stage: str
    command: str
    file: str


@dataclass(frozen=True)
class JudgedClaim:
    """A claim with its conditions as measured under both protocols, the verdict, one line why, and what measured it."""

    id: str
    claim: str
    paper_value: str
    verdict: Verdict
    why: str
    protocols: dict[Protocol, ProtocolOutcome]
    conditions: list[Condition[Found]]
    made_by: list[Maker]


@dataclass(frozen=True)
class Judgement:
    """What `claims.json` holds: how often each verdict was given, the rule, and every claim."""

    experiment: str
    verdicts: dict[Verdict, int]
    rule: list[str]
    claims: list[JudgedClaim]


def judge(evidence: Evidence, experiment: str, claims: Sequence[Claim] = CLAIMS) -> Judgement:
    """All claims, judged."""
    judged = [judge_claim(evidence, experiment, claim) for claim in claims]
    given = [claim.verdict for claim in judged]
    return Judgement(experiment, {verdict: given.count(verdict) for verdict in VERDICTS}, list(RULE), judged)


def judge_claim(evidence: Evidence, experiment: str, claim: Claim) -> JudgedClaim:
    """One claim, judged."""
    conditions = [
        replace(one, fair=_measure(evidence, one, one.fair), paper=_measure(evidence, one, one.paper))
        for one in claim.conditions
    ]
    outcomes = {protocol: all_hold([getattr(one, protocol).outcome for one in conditions]) for protocol in PROTOCOLS}
    readings = [getattr(one, protocol) for one in claim.conditions for protocol in PROTOCOLS]
    makers = dict.fromkeys(one.made_by(experiment) for one in readings if one)
    return JudgedClaim(
        id=claim.id,
        claim=claim.claim,
        paper_value=claim.value,
        verdict=verdict_of(**outcomes),
        why=_why(conditions, outcomes),
        protocols={name: ProtocolOutcome(getattr(claim, name), outcome) for name, outcome in outcomes.items()},
        conditions=conditions,
        made_by=[Maker(stage, f"dvc repro {stage}", f"results/{experiment}/{file}") for stage, file in makers],
    )


def found_text(found: Found, unit: str) -> str:
    """`+0.37 (+0.31 to +0.43) points`, or why it was not measured."""
    if found.mean is None:
        return found.where
    form = f"{'+' if unit == 'points' else ''},.{0 if unit == 'synapses' else 2}f"
    interval = "no interval from one seed" if found.low is None else f"{found.low:{form}} to {found.high:{form}}"
    return f"{found.mean:{form}} ({interval}) {unit}"


def _measure(evidence: Evidence, condition: Condition[Reading | None], reading: Reading | None) -> Found:
    interval, where = None, "not run under this protocol"
    if reading is not None:
        try:
            measured = reading.read(evidence)
            interval, where = measured.interval, measured.where
        except NotMeasured as lacking:
            where = str(lacking)
    numbers = [getattr(interval, key, None) for key in ("n", "mean", "low", "high")]
    outcome = outcome_of(interval, condition.side, condition.threshold)
    return Found(*numbers, where, outcome, size_of(interval, condition.paper_value))


def _why(conditions: list[Condition[Found]], outcomes: dict[Protocol, Outcome]) -> str:
    """Under fair, and where it does not hold there under paper, too: the conditions that settle it."""
    parts = []
    for protocol in PROTOCOLS[:1] if outcomes["fair"] == "holds" else PROTOCOLS:
        every = [(one, getattr(one, protocol)) for one in conditions]
        settle = [(one, found) for one, found in every if found.outcome == outcomes[protocol]]
        if outcomes[protocol] == "not measured":
            lacking = dict.fromkeys(found_text(found, one.unit) for one, found in settle)
            parts.append(f"{protocol}: not measured: {', '.join(lacking)}")
        else:
            parts.append(f"{protocol}: {', and '.join(_sentence(one, found) for one, found in settle)}")
    return "; ".join(parts)


def _sentence(condition: Condition[Found], found: Found) -> str:
    stated, beside = condition.paper_value, ""
    if stated not in (None, condition.threshold) and found.size in ("larger", "smaller"):
        beside = f" ({found.size} than the paper's {stated:g})"
    return (
        f"{condition.quantity} {found_text(found, condition.unit)} {VERBS[found.outcome]} {condition.side} "
        f"{condition.threshold:g}{beside}"
    )
