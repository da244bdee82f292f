"""Every setting of the study `energy` over seeds: a method at a level, run for some steps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.io.nets import DENSE
from pipeline.report.statistics import describe, paired_difference
from snnprune.energy.front import pareto_front
from snnprune.energy.profiles import Profile, energy_pj, formula_reduction

ALL = "all"  # the layer of rows that sum all layers
COUNTS = ("macs", "acs", "dense_macs", "dense_acs", "neuron_updates")


@dataclass(frozen=True)
class Settings:
    """The same settings (`describe_setting`) measured on `validation`, by which is chosen, and on `test`."""

    validation: list[dict[str, Any]]
    test: list[dict[str, Any]]
    timesteps: int

    def cheapest(self, profile: str, max_loss: float) -> int:
        """Index of the setting with the lowest mean energy that loses at most `max_loss` against the dense net at T."""
        dense = next(r for r in self.validation if r["method"] == DENSE and r["steps"] == self.timesteps)
        least = dense["accuracy"]["mean"] - max_loss
        allowed = [i for i, result in enumerate(self.validation) if result["accuracy"]["mean"] >= least]
        return min(allowed, key=lambda index: self.validation[index]["energy_pj"][profile]["mean"])

    def front(self, profile: str) -> list[int]:
        """Indices of the settings that no other beats in accuracy and energy, by rising energy."""
        return pareto_front(
            [result["accuracy"]["mean"] for result in self.validation],
            [result["energy_pj"][profile]["mean"] for result in self.validation],
        )


def all_settings(table: pd.DataFrame, steps: Sequence[int], profiles: Mapping[str, Profile]) -> Settings:
    """Every net of the study's table at the grid's steps, at T, and at its own T' (steps None: it differs by seed)."""
    timesteps = int(table["timesteps"].max())
    keys = [
        (str(method), float(level), count)
        for method, level in table[["method", "level"]].drop_duplicates().itertuples(index=False)
        for count in [*sorted({*steps, timesteps}), None]
    ]
    whole = table[table["layer"] == ALL]
    test, validation = (whole[whole["split"] == split] for split in ("test", "validation"))
    return Settings(
        validation=[describe_setting(validation, *key, timesteps, profiles) for key in keys],
        test=[describe_setting(test, *key, timesteps, profiles) for key in keys],
        timesteps=timesteps,
    )


def describe_setting(
    table: pd.DataFrame,
    method: str,
    level: float,
    steps: int | None,
    timesteps: int,
    profiles: Mapping[str, Profile],
) -> dict[str, Any]:
    """One setting over seeds, from the rows of all layers together of one split.

    `difference` is accuracy against the dense net at T of the same seed, `reduction` the share of its energy that is
    saved, `formula` what the paper's formula says of that, and `gap` the way from one to the other (`_gap`).
    `truncation` is the share saved against the same net at T. Counts are means over samples.
    """
    mine = table[(table["method"] == method) & (table["level"] == level)]
    mine = mine[mine["truncated"]] if steps is None else mine[mine["steps"] == steps]
    mine = mine.sort_values("seed")
    whole = table[table["steps"] == timesteps].sort_values("seed")
    dense = whole[whole["method"] == DENSE]
    same = whole[(whole["method"] == method) & (whole["level"] == level)]

    def over_seeds(figure: Callable[[Any], float]) -> dict[str, Any]:
        return describe([figure(row) for row in mine.itertuples(index=False)])

    def reduction(column: str, base: pd.DataFrame) -> dict[str, Any]:
        return describe([1 - ours / theirs for ours, theirs in zip(mine[column], base[column], strict=True)])

    return {
        "method": method,
        "level": level,
        "steps": steps,
        "truncated": steps is None,
        "mean_steps": float(mine["steps"].mean()),
        "sparsity": over_seeds(lambda row: 1 - row.nnz / row.synapses),
        "accuracy": over_seeds(lambda row: row.accuracy),
        "difference": paired_difference(mine["accuracy"].tolist(), dense["accuracy"].tolist()),
        **{key: over_seeds(lambda row, key=key: getattr(row, key)) for key in COUNTS},
        "spike_rate": over_seeds(lambda row: row.spike_rate),
        "formula": over_seeds(lambda row: formula_reduction(1 - row.nnz / row.synapses, row.steps, timesteps)),
        "energy_pj": {name: describe(mine[f"energy_pj_{name}"].tolist()) for name in profiles},
        "reduction": {name: reduction(f"energy_pj_{name}", dense) for name in profiles},
        "truncation": {name: reduction(f"energy_pj_{name}", same) for name in profiles},
        "gap": {name: _gap(mine, dense, timesteps, profile) for name, profile in profiles.items()},
        **{key: float(mine[key].mean()) for key in ("dense_bytes", "csr_bytes", "bitmask_bytes")},
    }


def _gap(mine: pd.DataFrame, dense: pd.DataFrame, timesteps: int, profile: Profile) -> dict[str, float]:
    """From the paper's formula to the reduction by count, as differences of saved shares, means over seeds.

    activity: what stays is busier, or less busy, than what went (effective operations instead of synapses times steps).
    prices: MACs and ACs cost differently. neuron_updates: they cost too, and no mask removes them.
    """
    parts: dict[str, list[float]] = {"activity": [], "prices": [], "neuron_updates": []}
    for ours, theirs in zip(mine.itertuples(index=False), dense.itertuples(index=False), strict=True):
        formula = formula_reduction(1 - ours.nnz / ours.synapses, ours.steps, timesteps)
        operations = 1 - (ours.macs + ours.acs) / (theirs.macs + theirs.acs)
        priced = 1 - energy_pj(ours.macs, ours.acs, 0, profile) / energy_pj(theirs.macs, theirs.acs, 0, profile)
        counted = 1 - _energy(ours, profile) / _energy(theirs, profile)
        for name, part in zip(parts, (operations - formula, priced - operations, counted - priced), strict=True):
            parts[name].append(part)
    return {name: sum(values) / len(values) for name, values in parts.items()}


def _energy(row: Any, profile: Profile) -> float:
    return energy_pj(row.macs, row.acs, row.neuron_updates, profile)
