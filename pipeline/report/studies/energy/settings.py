"""Every setting of the study `energy` over seeds: a net run for some number of steps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import pandas as pd

from pipeline.io.nets import DENSE, net_name
from pipeline.report.statistics import Difference, Interval, describe, paired_difference
from snnprune.energy.front import pareto_front
from snnprune.energy.profiles import Profile, energy_pj, formula_reduction

ALL = "all"  # the layer of rows that sum all layers
COUNTS = ("macs", "acs", "dense_macs", "dense_acs", "neuron_updates")
SIZES = ("dense_bytes", "csr_bytes", "bitmask_bytes")


@dataclass(frozen=True)
class Setting:
    """A net and the steps it runs (None: its own T', which differs between seeds); counts are means over samples.

    `difference` is accuracy against the dense net at T of the same seed. By profile: `reduction` is the share of that
    net's energy that is saved, `formula` what the paper's formula says of it, `gap` the way from one to the other
    (`_gap`), `truncation` the share saved against the same net at T.
    """

    method: str
    level: float
    steps: int | None
    truncated: bool
    mean_steps: float
    sparsity: Interval
    accuracy: Interval
    difference: Difference
    macs: Interval
    acs: Interval
    dense_macs: Interval
    dense_acs: Interval
    neuron_updates: Interval
    spike_rate: Interval
    formula: Interval
    energy_pj: dict[str, Interval]
    reduction: dict[str, Interval]
    truncation: dict[str, Interval]
    gap: dict[str, dict[str, float]]
    dense_bytes: float
    csr_bytes: float
    bitmask_bytes: float

    @property
    def steps_text(self) -> str:
        """`T' = 8.5`, `10`."""
        return f"T' = {self.mean_steps:.1f}" if self.truncated else f"{self.mean_steps:g}"

    def name(self, timesteps: int) -> str:
        """`cqp@0.95, 5 of 10 steps`."""
        return f"{net_name(self.method, self.level)}, {self.steps_text} of {timesteps} steps"


@dataclass(frozen=True)
class Settings:
    """The same settings measured on `validation`, by which is chosen, and on `test`; T is `timesteps`."""

    validation: list[Setting]
    test: list[Setting]
    timesteps: int

    def cheapest(self, profile: str, max_loss: float) -> Setting:
        """On test: the setting of the lowest mean energy that loses at most `max_loss` against the dense net at T."""
        dense = next(one for one in self.validation if one.method == DENSE and one.steps == self.timesteps)
        least = dense.accuracy.mean - max_loss
        allowed = [i for i, setting in enumerate(self.validation) if setting.accuracy.mean >= least]
        return self.test[min(allowed, key=lambda index: self.validation[index].energy_pj[profile].mean)]

    def front(self, profile: str) -> list[Setting]:
        """On test: the settings that no other beats in accuracy and energy on validation, by rising energy there."""
        accuracies = [setting.accuracy.mean for setting in self.validation]
        energies = [setting.energy_pj[profile].mean for setting in self.validation]
        return [self.test[index] for index in pareto_front(accuracies, energies)]


def all_settings(table: pd.DataFrame, steps: Sequence[int], profiles: Mapping[str, Profile]) -> Settings:
    """Every net of the study's table at the grid's steps, at T, and at its own T'."""
    timesteps = int(table["timesteps"].max())
    whole = table[table["layer"] == ALL].sort_values("seed", kind="stable")
    nets = [(str(method), float(level)) for method, level in table[["method", "level"]].drop_duplicates().to_numpy()]
    settings: dict[str, list[Setting]] = {}
    for split in ("validation", "test"):
        rows: dict[tuple[str, float], list[Any]] = {net: [] for net in nets}
        for row in whole[whole["split"] == split].itertuples(index=False):
            rows[row.method, row.level].append(row)
        dense = [row for row in rows[DENSE, 0.0] if row.steps == timesteps]
        settings[split] = [
            describe_setting(rows[net], dense, count, profiles)
            for net in nets
            for count in [*sorted({*steps, timesteps}), None]
        ]
    return Settings(**settings, timesteps=timesteps)


def describe_setting(
    runs: Sequence[Any], dense: Sequence[Any], steps: int | None, profiles: Mapping[str, Profile]
) -> Setting:
    """One setting over seeds, from the rows of a net (`runs`) and of the dense net at T, of one split, by seed."""
    mine = [row for row in runs if (row.truncated if steps is None else row.steps == steps)]
    same = [row for row in runs if row.steps == row.timesteps]

    def over_seeds(value: Callable[[Any], float]) -> Interval:
        return describe([value(row) for row in mine])

    def reduction(profile: str, base: Sequence[Any]) -> Interval:
        column = f"energy_pj_{profile}"
        pairs = zip(mine, base, strict=True)
        return describe([1 - getattr(ours, column) / getattr(theirs, column) for ours, theirs in pairs])

    return Setting(
        method=str(mine[0].method),
        level=float(mine[0].level),
        steps=steps,
        truncated=steps is None,
        mean_steps=_mean([row.steps for row in mine]),
        sparsity=over_seeds(lambda row: 1 - row.nnz / row.synapses),
        difference=paired_difference([row.accuracy for row in mine], [row.accuracy for row in dense]),
        **{key: over_seeds(attrgetter(key)) for key in ("accuracy", *COUNTS, "spike_rate")},
        formula=over_seeds(_formula),
        energy_pj={name: over_seeds(attrgetter(f"energy_pj_{name}")) for name in profiles},
        reduction={name: reduction(name, dense) for name in profiles},
        truncation={name: reduction(name, same) for name in profiles},
        gap={name: _gap(mine, dense, profile) for name, profile in profiles.items()},
        **{key: _mean([getattr(row, key) for row in mine]) for key in SIZES},
    )


def _gap(mine: Sequence[Any], dense: Sequence[Any], profile: Profile) -> dict[str, float]:
    """From the paper's formula to the reduction by count, as differences of saved shares, means over seeds.

    activity: what stays is busier, or less busy, than what went (effective operations instead of synapses times steps).
    prices: MACs and ACs cost differently. neuron_updates: they cost too, and no mask removes them.
    """
    parts: dict[str, list[float]] = {"activity": [], "prices": [], "neuron_updates": []}
    for ours, theirs in zip(mine, dense, strict=True):
        operations = 1 - (ours.macs + ours.acs) / (theirs.macs + theirs.acs)
        priced = 1 - energy_pj(ours.macs, ours.acs, 0, profile) / energy_pj(theirs.macs, theirs.acs, 0, profile)
        counted = 1 - _energy(ours, profile) / _energy(theirs, profile)
        steps = (operations - _formula(ours), priced - operations, counted - priced)
        for name, part in zip(parts, steps, strict=True):
            parts[name].append(part)
    return {name: _mean(values) for name, values in parts.items()}


def _formula(row: Any) -> float:
    return formula_reduction(1 - row.nnz / row.synapses, row.steps, row.timesteps)


def _energy(row: Any, profile: Profile) -> float:
    return energy_pj(row.macs, row.acs, row.neuron_updates, profile)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
