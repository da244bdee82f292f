"""Judges the claims by one stated rule, from measured 95 % intervals to verdicts: the content of `claims.json`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from pipeline.report.claims.claims import Claim, Condition, Side, claims_on, read_claims
from pipeline.report.claims.evidence import Evidence, NotMeasured, Reading
from pipeline.report.statistics import Interval

Outcome = Literal["holds", "does not hold", "undecided", "not measured"]
Size = Literal["as claimed", "larger", "smaller"]
Verdict = Literal["reproduced", "reproduced only under the paper protocol", "not reproduced", "not measured"]
NOT_MEASURED: Verdict = "not measured"

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
TOLERANCE = 1e-9  # a bound this close to the threshold lies on it: what is left is floating-point noise

RULE: list[str] = read_claims()["rule"]  # for people; it says what the functions below compute
Protocol = Literal["fair", "paper"]
PROTOCOLS: tuple[Protocol, ...] = ("fair", "paper")
NOT_RUN, ONE_SEED = "not run under this protocol", "no interval from one seed"
VERBS = {"holds": "is", "does not hold": "is not", "undecided": "may or may not be"}


@dataclass(frozen=True)
class Found:
    """A quantity as measured under one protocol; `where` says of what, or why it was not measured, `every_step` what it
    is with a constant input counted at every step, where that differs."""

    n: int | None
    mean: float | None
    low: float | None
    high: float | None
    where: str
    outcome: Outcome
    size: Size | None
    every_step: str = ""


@dataclass(frozen=True)
class JudgedClaim:
    """A claim with its conditions as measured, the verdict, one line why, and what measured it. protocols: what each
    means for the claim, and the outcome under it. made_by: stage, command and file, each once."""

    id: str
    claim: str
    paper_value: str
    verdict: Verdict
    why: str
    protocols: dict[Protocol, dict[str, str]]
    conditions: list[Condition[Found]]
    made_by: list[dict[str, str]]


@dataclass(frozen=True)
class Judgement:
    """What `claims.json` holds: how often each verdict was given, the rule, and every claim."""

    experiment: str
    verdicts: dict[Verdict, int]
    rule: list[str]
    claims: list[JudgedClaim]

    @property
    def measured(self) -> list[JudgedClaim]:
        """The claims that have an answer here."""
        return [claim for claim in self.claims if claim.verdict != NOT_MEASURED]

    @property
    def left_out(self) -> str:
        """How many claims have none, and why; empty where all have one."""
        claims = [claim for claim in self.claims if claim.verdict == NOT_MEASURED]
        found = [getattr(one, name) for claim in claims for one in claim.conditions for name in PROTOCOLS]
        lacking = [one.where if one.mean is None else ONE_SEED for one in found if one.outcome == NOT_MEASURED]
        why = "; ".join(reason for reason in dict.fromkeys(lacking) if reason != NOT_RUN)
        return f"Not measured here and left out: {len(claims)} of {len(self.claims)} claims ({why})." if claims else ""


def judge(evidence: Evidence, experiment: str) -> Judgement:
    """All claims on the evidence's dataset, judged."""
    judged = [judge_claim(evidence, experiment, claim) for claim in claims_on(evidence.dataset)]
    given = [claim.verdict for claim in judged]
    return Judgement(experiment, {verdict: given.count(verdict) for verdict in VERDICTS}, RULE, judged)


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
        protocols={name: {"meaning": getattr(claim, name), "outcome": outcome} for name, outcome in outcomes.items()},
        conditions=conditions,
        made_by=[
            {"stage": stage, "command": f"dvc repro {stage}", "file": f"results/{experiment}/{file}"}
            for stage, file in makers
        ],
    )


def outcome_of(interval: Interval | None, side: Side, threshold: float) -> Outcome:
    """Whether a quantity lies on the claimed side of the threshold, by its 95 % interval. `above` excludes the
    threshold, `at least` includes it. None and a single seed are not measured."""
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


def found_text(found: Found, unit: str) -> str:
    """`+0.37 (+0.31 to +0.43) points`, or why it was not measured."""
    if found.mean is None:
        return found.where
    form = f"{'+' if unit == 'points' else ''},.{0 if unit == 'synapses' else 2}f"
    interval = ONE_SEED if found.low is None else f"{found.low:{form}} to {found.high:{form}}"
    return f"{found.mean:{form}} ({interval}) {unit}"


def _measure(evidence: Evidence, condition: Condition[Reading | None], reading: Reading | None) -> Found:
    if reading is None:
        return _found(condition, None, NOT_RUN)
    try:
        measured = reading.read(evidence)
    except NotMeasured as lacking:
        return _found(condition, None, str(lacking))
    found = _found(condition, measured.interval, measured.where)
    if measured.every_step is None:
        return found
    other = _found(condition, measured.every_step, "")
    text = f"with the input counted at every step {found_text(other, condition.unit)}: {other.outcome}"
    return replace(found, every_step=text)


def _found(condition: Condition[Reading | None], interval: Interval | None, where: str) -> Found:
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
        f"{condition.quantity} {found_text(found, condition.unit)}, which {VERBS[found.outcome]} {condition.side} "
        f"{condition.threshold:g}{beside}{f' ({found.every_step})' if found.every_step else ''}"
    )
