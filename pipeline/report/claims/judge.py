"""Judges the claims: from the evidence to `claims.json`."""

from collections.abc import Sequence
from typing import Any, Literal

from pipeline.report.claims.claims import CLAIMS, Claim, Condition, Reading
from pipeline.report.claims.evidence import Evidence, NotMeasured
from pipeline.report.claims.verdict import RULE, VERDICTS, Outcome, all_hold, outcome_of, size_of, verdict_of

Protocol = Literal["fair", "paper"]
PROTOCOLS: tuple[Protocol, ...] = ("fair", "paper")


def judge(evidence: Evidence, experiment: str, claims: Sequence[Claim] = CLAIMS) -> dict[str, Any]:
    """What stands in `claims.json`: the rule, how often each verdict was given, and every claim (`judge_claim`)."""
    judged = [judge_claim(evidence, experiment, claim) for claim in claims]
    given = [claim["verdict"] for claim in judged]
    return {
        "experiment": experiment,
        "verdicts": {verdict: given.count(verdict) for verdict in VERDICTS},
        "rule": list(RULE),
        "claims": judged,
    }


def judge_claim(evidence: Evidence, experiment: str, claim: Claim) -> dict[str, Any]:
    """One claim: its conditions as measured under both protocols, the verdict, one line why, and what made it."""
    conditions = [
        {
            "quantity": condition.quantity,
            "unit": condition.unit,
            "side": condition.side,
            "threshold": condition.threshold,
            "threshold_of": "ours" if condition.ours else "the paper",
            "paper_value": condition.stated,
            **{protocol: _measure(evidence, condition, protocol) for protocol in PROTOCOLS},
        }
        for condition in claim.conditions
    ]
    protocols = {
        protocol: {
            "meaning": getattr(claim, protocol),
            "outcome": all_hold([condition[protocol]["outcome"] for condition in conditions]),
        }
        for protocol in PROTOCOLS
    }
    return {
        "id": claim.id,
        "claim": claim.claim,
        "paper_value": claim.value,
        "verdict": verdict_of(*(protocols[protocol]["outcome"] for protocol in PROTOCOLS)),
        "why": _why(conditions, {protocol: entry["outcome"] for protocol, entry in protocols.items()}),
        "protocols": protocols,
        "conditions": conditions,
        "made_by": _made_by(claim, experiment),
    }


def told(condition: dict[str, Any], protocol: Protocol) -> str:
    """A condition as measured, for people: `+0.37 (+0.31 to +0.43) points`, or why it was not measured."""
    found = condition[protocol]
    if found["mean"] is None:
        return found["where"]
    signed = "+" if condition["unit"] == "points" else ""
    digits = 0 if condition["unit"] == "synapses" else 2
    mean, low, high = (
        None if found[key] is None else f"{found[key]:{signed},.{digits}f}" for key in ("mean", "low", "high")
    )
    interval = "no interval from one seed" if low is None else f"{low} to {high}"
    return f"{mean} ({interval}) {condition['unit']}"


def _reading(condition: Condition, protocol: Protocol) -> Reading | None:
    return condition.fair if protocol == "fair" else condition.paper


def _measure(evidence: Evidence, condition: Condition, protocol: Protocol) -> dict[str, Any]:
    reading = _reading(condition, protocol)
    figures, where = None, "not run under this protocol"
    if reading is not None:
        try:
            measured = reading.read(evidence)
            figures, where = measured.figures, measured.where
        except NotMeasured as lacking:
            where = str(lacking)
    return {
        **{key: None if figures is None else figures[key] for key in ("n", "mean", "low", "high")},
        "where": where,
        "outcome": outcome_of(figures, condition.side, condition.threshold),
        "size": size_of(figures, condition.stated),
    }


def _why(conditions: list[dict[str, Any]], outcomes: dict[Protocol, Outcome]) -> str:
    """Under fair, and where it does not hold there under paper, too: the conditions that settle it."""
    protocols = PROTOCOLS[:1] if outcomes["fair"] == "holds" else PROTOCOLS
    parts = []
    for protocol in protocols:
        settle = [condition for condition in conditions if condition[protocol]["outcome"] == outcomes[protocol]]
        if outcomes[protocol] == "not measured":
            lacking = dict.fromkeys(told(condition, protocol) for condition in settle)
            parts.append(f"{protocol}: not measured: {', '.join(lacking)}")
        else:
            parts.append(f"{protocol}: {', and '.join(_sentence(condition, protocol) for condition in settle)}")
    return "; ".join(parts)


def _sentence(condition: dict[str, Any], protocol: Protocol) -> str:
    found, stated, threshold = condition[protocol], condition["paper_value"], condition["threshold"]
    verb = {"holds": "is", "does not hold": "is not", "undecided": "may or may not be"}[found["outcome"]]
    beside = ""
    if stated not in (None, threshold) and found["size"] in ("larger", "smaller"):
        beside = f" ({found['size']} than the paper's {stated:g})"
    return f"{condition['quantity']} {told(condition, protocol)} {verb} {condition['side']} {threshold:g}{beside}"


def _made_by(claim: Claim, experiment: str) -> list[dict[str, str]]:
    """Stage, command and file behind a claim, each once."""
    readings = [_reading(condition, protocol) for condition in claim.conditions for protocol in PROTOCOLS]
    files = dict.fromkeys((reading.stage, reading.file) for reading in readings if reading is not None)
    return [
        {
            "stage": f"{stage}@{experiment}",
            "command": f"dvc repro {stage}@{experiment}",
            "file": f"results/{experiment}/{file}",
        }
        for stage, file in files
    ]
