"""The paper's claims, from claims.yaml: what is measured for each, on which side of which number, by protocol."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from ruamel.yaml import YAML

from pipeline.report.claims import evidence
from pipeline.report.claims.evidence import Reading

T = TypeVar("T")
Side = Literal["above", "at least"]


@dataclass(frozen=True)
class Condition(Generic[T]):
    """A quantity on one side of a threshold, and what each protocol has of it: a reading, or once judged what it found.
    paper_value: the paper's number for it, None where it states none. dataset: of which alone it is one. A protocol
    without a reading is not measured."""

    quantity: str
    unit: str
    side: Side
    threshold: float
    fair: T
    paper: T
    paper_value: float | None = None
    threshold_of: Literal["the paper", "ours"] = "the paper"
    dataset: str | None = None


@dataclass(frozen=True)
class Claim:
    """One claim: what the paper says, its value, and what both protocols mean for it. All conditions must hold."""

    id: str
    claim: str
    value: str
    fair: str
    paper: str
    conditions: tuple[Condition[Reading | None], ...]


def read_claims() -> dict[str, Any]:
    """claims.yaml: the rule in sentences, and the claims."""
    return YAML(typ="safe").load(Path(__file__).with_name("claims.yaml"))


def load_claims() -> tuple[Claim, ...]:
    """All claims, in the file's order."""
    entries = read_claims()["claims"]
    return tuple(Claim(**entry | {"conditions": tuple(map(_condition, entry["conditions"]))}) for entry in entries)


def claims_on(dataset: str) -> tuple[Claim, ...]:
    """Those that have conditions on this dataset, with these alone."""
    found = [
        replace(claim, conditions=tuple(one for one in claim.conditions if one.dataset in (None, dataset)))
        for claim in load_claims()
    ]
    return tuple(claim for claim in found if claim.conditions)


def _condition(entry: dict[str, Any]) -> Condition[Reading | None]:
    both = entry.pop("both", None)
    readings = {protocol: entry.pop(protocol, both) for protocol in ("fair", "paper")}
    return Condition(**entry, **{protocol: found and _reading(**found) for protocol, found in readings.items()})


def _reading(read: str, **options: Any) -> Reading:
    return getattr(evidence, read)(**options)
