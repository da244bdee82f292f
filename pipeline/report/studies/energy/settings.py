"""Every setting of the study `energy` over seeds: a net run for some number of steps."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pipeline.io.nets import DENSE, net_name
from pipeline.report.statistics import describe, over_seeds, paired_difference
from snnprune.energy.profiles import Profile, energy_pj, formula_reduction

ALL = "all"  # the layer of rows that sum all layers
COUNTS = ("macs", "acs", "dense_macs", "dense_acs", "neuron_updates")
SIZES = ("dense_bytes", "csr_bytes", "bitmask_bytes")
GAP = ("activity", "prices", "neuron_updates")
NET, PAIR = ["method", "level"], ["split", "seed"]


def all_settings(
    table: pd.DataFrame, steps: Sequence[int], profiles: Mapping[str, Profile]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """On validation, by which is chosen, and on test, a row per setting in the same order. A setting is a net of the
    study's table at the grid's steps, at T, and at its own T' (`truncated`), which differs between seeds: there `steps`
    is None, and `mean_steps` its mean. `difference` is accuracy against the dense net at T of the same seed. By
    profile: `reduction` is the share of that net's energy that is saved, `truncation` that against the same net at T,
    `gap` the way from the paper's `formula` to the reduction (`_savings`)."""
    rows = _savings(table[table["layer"] == ALL], profiles)
    rows["net"] = pd.factorize(pd.MultiIndex.from_frame(rows[NET]))[0]
    grid = rows[rows["steps"].isin({*steps, int(table["timesteps"].max())})]
    short = rows[rows["truncated"]]
    every = pd.concat([grid.assign(truncated=False, at=grid["steps"]), short.assign(at=0)])
    every = every.sort_values(["net", "truncated", "at", "seed"])
    validation, test = (
        over_seeds(
            every[every["split"] == split],
            [*NET, "truncated", "at"],
            ["sparsity", "accuracy", *COUNTS, "spike_rate", "formula"],
            steps=lambda runs: None if runs["truncated"].iloc[0] else int(runs["steps"].iloc[0]),
            mean_steps=lambda runs: runs["steps"].mean(),
            difference=lambda runs: paired_difference(runs["accuracy"], runs["accuracy_dense"]),
            energy_pj=lambda runs: {name: describe(runs[f"energy_pj_{name}"]) for name in profiles},
            reduction=lambda runs: {name: describe(runs[f"reduction_{name}"]) for name in profiles},
            truncation=lambda runs: {name: describe(runs[f"truncation_{name}"]) for name in profiles},
            gap=lambda runs: {name: {part: runs[f"{part}_{name}"].mean() for part in GAP} for name in profiles},
            **{key: lambda runs, key=key: runs[key].mean() for key in SIZES},
        ).drop(columns="at")
        for split in ("validation", "test")
    )
    return validation, test


def steps_text(setting: Any) -> str:
    """`T' = 8.5`, `10`."""
    return f"T' = {setting.mean_steps:.1f}" if setting.truncated else f"{setting.mean_steps:g}"


def setting_name(setting: Any, timesteps: int) -> str:
    """`cqp@0.95, 5 of 10 steps`."""
    return f"{net_name(setting.method, setting.level)}, {steps_text(setting)} of {timesteps} steps"


def _savings(whole: pd.DataFrame, profiles: Mapping[str, Profile]) -> pd.DataFrame:
    """The rows with what each saves, beside the accuracy of the dense net at T of the same seed and split. From the
    paper's formula to the reduction by count, as differences of saved shares: `activity`, what stays is busier, or less
    busy, than what went (effective operations instead of synapses times steps); `prices`, MACs and ACs cost
    differently; `neuron_updates`, they cost too, and no mask removes them."""
    at_t = whole[whole["steps"] == whole["timesteps"]]
    dense = whole[PAIR].merge(at_t[at_t["method"] == DENSE], on=PAIR, how="left", validate="many_to_one")
    same = whole[[*PAIR, *NET]].merge(at_t, on=[*PAIR, *NET], how="left", validate="many_to_one")
    rows = whole.reset_index(drop=True)
    sparsity = 1 - rows["nnz"] / rows["synapses"]
    formula = formula_reduction(sparsity, rows["steps"], rows["timesteps"])
    operations = 1 - (rows["macs"] + rows["acs"]) / (dense["macs"] + dense["acs"])
    found = {"sparsity": sparsity, "formula": formula, "accuracy_dense": dense["accuracy"]}
    for name, profile in profiles.items():
        energy = f"energy_pj_{name}"
        priced, counted = (
            1 - _energy(rows, profile, updates) / _energy(dense, profile, updates) for updates in (False, True)
        )
        found |= {f"reduction_{name}": 1 - rows[energy] / dense[energy]}
        found |= {f"truncation_{name}": 1 - rows[energy] / same[energy]}
        parts = zip(GAP, (operations - formula, priced - operations, counted - priced), strict=True)
        found |= {f"{part}_{name}": values for part, values in parts}
    return rows.assign(**found)


def _energy(rows: pd.DataFrame, profile: Profile, updates: bool) -> pd.Series:
    return energy_pj(rows["macs"], rows["acs"], updates * rows["neuron_updates"], profile)
