"""Compares two states of an experiment's results: the same method, level and seed before and after."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pandas as pd

from pipeline.diff.revision import Results
from pipeline.report.statistics import ROUNDING, Difference, Interval, describe, paired_difference

ENERGY = "energy_once_pj_"
Net = tuple[str, float]  # method and level


@dataclass(frozen=True)
class Change:
    """One quantity of a method and level before and after, over all seeds of each; None where it was not measured.

    difference: after minus before, None where one of both is missing. seeds: those of both, by which it is paired; with
    none in common it is the difference of the means, without an interval. exceeds: whether it is more than the seeds
    explain: the 95 % interval of the paired differences excludes zero or, unpaired, the two intervals do not overlap.
    """

    method: str
    level: float
    before: Interval | None
    after: Interval | None
    difference: Difference | None
    seeds: tuple[int, ...]
    exceeds: bool

    @property
    def is_paired(self) -> bool:
        """Whether the difference is of the same seeds."""
        return bool(self.seeds)

    @property
    def is_change(self) -> bool:
        """Whether anything differs, the number of seeds included."""
        if self.before is None or self.after is None:
            return self.before is not self.after
        apart = abs(self.before.mean - self.after.mean) > ROUNDING * max(1.0, abs(self.before.mean))
        same = self.difference is not None and (self.difference.sd or 0.0) <= ROUNDING * max(1.0, abs(self.before.mean))
        return apart or not same or self.before.n != self.after.n


@dataclass(frozen=True)
class Verdict:
    """A claim whose verdict differs; None where it was not judged."""

    claim: str
    says: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Changes:
    """What differs in one experiment. state: `new` or `removed`, else `compared`. energy: by profile. compared: how
    many pairs of method and level both have, the dense net being one. notes: sentences about what the tables cannot
    show."""

    experiment: str
    state: str = "compared"
    accuracy: tuple[Change, ...] = ()
    margin: tuple[Change, ...] = ()
    energy: dict[str, tuple[Change, ...]] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    added: tuple[Net, ...] = ()
    removed: tuple[Net, ...] = ()
    compared: int = 0
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        tables = [
            self.accuracy,
            self.margin,
            *self.energy.values(),
            self.verdicts,
            self.added,
            self.removed,
            self.notes,
        ]
        return self.state == "compared" and not any(tables)


def compare(experiment: str, before: Results | None, after: Results | None) -> Changes:
    """What differs between two states, of which at most one may be missing."""
    if before is None or after is None:
        return Changes(experiment, "new" if before is None else "removed")
    old, new = before.by_net, after.by_net
    both = [net for net in new if net in old]
    profiles = [name.removeprefix(ENERGY) for name in after.rows if name.startswith(ENERGY) and name in before.rows]

    def changed(column: str) -> tuple[Change, ...]:
        return _changes((net, _by_seed(before, net, column), _by_seed(after, net, column)) for net in both)

    energy = {profile: changed(f"{ENERGY}{profile}") for profile in profiles}
    return Changes(
        experiment,
        accuracy=changed("accuracy"),
        margin=_margins(before, after, both),
        energy={profile: found for profile, found in energy.items() if found},
        verdicts=_verdicts(before, after),
        added=tuple(net for net in new if net not in old),
        removed=tuple(net for net in old if net not in new),
        compared=len(both),
        notes=tuple(_notes(before, after)),
    )


def change_of(net: Net, before: pd.Series, after: pd.Series) -> Change:
    """One quantity by seed (an index of seeds; empty: not measured), before and after."""
    seeds = tuple(seed for seed in after.index if seed in before.index)
    old, new = (describe(values) if len(values) else None for values in (before, after))
    if old is None or new is None:
        return Change(*net, old, new, None, (), False)
    if seeds:
        difference = paired_difference(after.loc[list(seeds)], before.loc[list(seeds)])
        return Change(*net, old, new, difference, seeds, difference.excludes_zero)
    apart = None not in (old.low, new.low) and (new.low > old.high or new.high < old.low)
    return Change(*net, old, new, Difference(1, new.mean - old.mean), (), apart)


def _margins(before: Results, after: Results, both: list[Net]) -> tuple[Change, ...]:
    """Accuracy minus the baseline's, seed by seed, where it is one of the rivals."""
    return _changes((net, _margin(before, net), _margin(after, net)) for net in both)


def _changes(series: Iterable[tuple[Net, pd.Series, pd.Series]]) -> tuple[Change, ...]:
    """Those that differ; equal values, which are most of them, are not tested first."""
    found = (change_of(net, before, after) for net, before, after in series if not before.equals(after))
    return tuple(one for one in found if one.is_change)


def _margin(results: Results, net: Net) -> pd.Series:
    if results.baseline is None or net not in results.rivals:
        return pd.Series(dtype=float)
    accuracies = (_by_seed(results, one, "accuracy") for one in (net, (results.baseline, net[1])))
    mine, baseline = accuracies
    return (mine - baseline).dropna()


def _verdicts(before: Results, after: Results) -> tuple[Verdict, ...]:
    claims = dict.fromkeys([*after.verdicts, *before.verdicts])
    found = (
        Verdict(
            claim,
            after.claims.get(claim) or before.claims.get(claim, ""),
            before.verdicts.get(claim),
            after.verdicts.get(claim),
        )
        for claim in claims
    )
    return tuple(one for one in found if one.before != one.after)


def _notes(before: Results, after: Results) -> list[str]:
    about: dict[str, Callable[[Results], object]] = {
        "seeds": lambda results: ", ".join(map(str, results.seeds)),
        "baseline": lambda results: results.baseline or "none",
        "protocol": lambda results: ", ".join(sorted(set(results.rows.get("protocol", [])))),
        "synapses": lambda results: ", ".join(map(str, sorted(set(results.rows.get("synapses", []))))),
        "timesteps": lambda results: ", ".join(map(str, sorted(set(results.rows.get("timesteps", []))))),
    }
    values = ((name, value(before), value(after)) for name, value in about.items())
    return [f"{name}: {old or 'none'} before, {new or 'none'} now" for name, old, new in values if old != new]


def _by_seed(results: Results, net: Net, column: str) -> pd.Series:
    return results.by_net[net][column].dropna() if net in results.by_net else pd.Series(dtype=float)
