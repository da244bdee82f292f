"""Every setting of the study `energy` over seeds: a net run for some number of steps."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pipeline.io.nets import DENSE, net_name
from pipeline.report.statistics import describe, over_seeds, paired_difference
from snnprune.energy.front import pareto_front
from snnprune.energy.profiles import Profile, energy_pj, formula_reduction

ALL = "all"  # the layer of rows that sum all layers
COUNTS = ("macs", "acs", "dense_macs", "dense_acs", "neuron_updates")
SIZES = ("dense_bytes", "csr_bytes", "bitmask_bytes")
GAP = ("activity", "prices", "neuron_updates")
NET = ["method", "level"]


def all_settings(table: pd.DataFrame, steps: Sequence[int], profiles: Mapping[str, Profile]) -> pd.DataFrame:
    """A row per setting: a net of the study's table at the grid's steps, at T, and at its own T' (`truncated`).

    Intervals are of test, counts of a sample; `steps` is None at T', which differs between seeds, `mean_steps` its
    mean. `difference` is accuracy against the dense net at T of the same seed. By profile: `reduction` is the share of
    that net's energy that is saved, `truncation` that against the same net at T, and `gap` the way from the paper's
    `formula` to the reduction (`_savings`). Means of validation, by which is chosen: `validation_accuracy` and, by
    profile, `validation_energy_pj`.
    """
    timesteps = int(table["timesteps"].max())
    rows = _savings(table[table["layer"] == ALL], profiles)
    rows["net"] = pd.factorize(pd.MultiIndex.from_frame(rows[NET]))[0]
    grid = rows[rows["steps"].isin({*steps, timesteps})].assign(truncated=False)
    every = pd.concat([grid.assign(run=grid["steps"]), rows[rows["truncated"]].assign(run=0)])
    every = every.sort_values(["net", "truncated", "run", "seed"])
    by = [*NET, "truncated", "run"]
    settings = over_seeds(
        every[every["split"] == "test"],
        by,
        ["sparsity", "accuracy", *COUNTS, "spike_rate", "formula"],
        mean_steps=lambda runs: runs["steps"].mean(),
        difference=lambda runs: paired_difference(runs["accuracy"], runs["accuracy_dense"]),
        **{
            key: lambda runs, key=key: {name: describe(runs[f"{key}_{name}"]) for name in profiles}
            for key in ("energy_pj", "reduction", "truncation")
        },
        gap=lambda runs: {name: {part: describe(runs[f"{part}_{name}"]).mean for part in GAP} for name in profiles},
        **{key: lambda runs, key=key: runs[key].mean() for key in SIZES},
    )
    validation = over_seeds(
        every[every["split"] == "validation"],
        by,
        validation_accuracy=lambda runs: describe(runs["accuracy"]).mean,
        validation_energy_pj=lambda runs: {name: describe(runs[f"energy_pj_{name}"]).mean for name in profiles},
    )
    settings = settings.merge(validation, on=by, how="left", validate="one_to_one").rename(columns={"run": "steps"})
    settings["steps"] = settings["steps"].astype(object).where(~settings["truncated"], None)
    return settings


def front_of(settings: pd.DataFrame, profile: str) -> pd.DataFrame:
    """The settings that no other beats in accuracy and energy on validation, by rising energy there."""
    energies = [energy[profile] for energy in settings["validation_energy_pj"]]
    return settings.iloc[pareto_front(settings["validation_accuracy"].tolist(), energies)]


def cheapest_of(settings: pd.DataFrame, profile: str, timesteps: int, max_loss: float) -> pd.Series:
    """On validation, the lowest mean energy that loses at most `max_loss` against the dense net at T."""
    dense = settings[(settings["method"] == DENSE) & (settings["steps"] == timesteps)].iloc[0]
    allowed = settings[settings["validation_accuracy"] >= dense["validation_accuracy"] - max_loss]
    return allowed.loc[allowed["validation_energy_pj"].map(lambda energy: energy[profile]).idxmin()]


def steps_text(setting: Any) -> str:
    """`T' = 8.5`, `10`."""
    return f"T' = {setting.mean_steps:.1f}" if setting.truncated else f"{setting.mean_steps:g}"


def setting_name(setting: Any, timesteps: int) -> str:
    """`cqp@0.95, 5 of 10 steps`."""
    return f"{net_name(setting.method, setting.level)}, {steps_text(setting)} of {timesteps} steps"


def _savings(whole: pd.DataFrame, profiles: Mapping[str, Profile]) -> pd.DataFrame:
    """The rows with what each saves, beside the accuracy of the dense net at T of the same seed and split.

    From the paper's formula to the reduction by count, as differences of saved shares: `activity`, what stays is
    busier, or less busy, than what went (effective operations instead of synapses times steps); `prices`, MACs and ACs
    cost differently; `neuron_updates`, they cost too, and no mask removes them.
    """
    at_t = whole[whole["steps"] == whole["timesteps"]]
    pair = ["split", "seed"]
    dense = whole[pair].merge(at_t[at_t["method"] == DENSE], on=pair, how="left", validate="many_to_one")
    same = whole[[*pair, *NET]].merge(at_t, on=[*pair, *NET], how="left", validate="many_to_one")
    rows, dense, same = (frame.reset_index(drop=True) for frame in (whole, dense, same))
    sparsity = 1 - rows["nnz"] / rows["synapses"]
    formula = formula_reduction(sparsity, rows["steps"], rows["timesteps"])
    operations = 1 - (rows["macs"] + rows["acs"]) / (dense["macs"] + dense["acs"])
    found = {"sparsity": sparsity, "formula": formula, "accuracy_dense": dense["accuracy"]}
    for name, profile in profiles.items():
        column = f"energy_pj_{name}"
        priced, counted = (
            1
            - energy_pj(rows["macs"], rows["acs"], updates * rows["neuron_updates"], profile)
            / energy_pj(dense["macs"], dense["acs"], updates * dense["neuron_updates"], profile)
            for updates in (0, 1)
        )
        found |= {f"reduction_{name}": 1 - rows[column] / dense[column]}
        found |= {f"truncation_{name}": 1 - rows[column] / same[column], f"activity_{name}": operations - formula}
        found |= {f"prices_{name}": priced - operations, f"neuron_updates_{name}": counted - priced}
    return rows.assign(**found)
