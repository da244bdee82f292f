"""Every setting of the study `energy` over seeds: a net run for some number of steps, with early exit or without."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pipeline.io.nets import DENSE
from pipeline.report.statistics import describe, over_seeds, paired_difference
from pipeline.report.studies.energy.runs import ALL, every_run
from pipeline.report.words import net_text, steps_text
from snnprune.energy.profiles import Profile, energy_pj, formula_reduction

COUNTS = ("macs", "macs_once", "acs", "dense_macs", "dense_acs", "neuron_updates")
SIZES = ("dense_bytes", "csr_bytes", "bitmask_bytes")
GAP = ("activity", "input_once", "prices", "neuron_updates")
PRICED = {  # intervals by profile -> the columns that they are of
    "energy_pj": "energy_once_pj",
    "energy_every_step_pj": "energy_pj",
    **{key: key for key in ("reduction", "reduction_every_step", "truncation")},
}
NET, PAIR = ["method", "level"], ["split", "seed"]
HOW = ["truncated", "tuned", "exits"]


def all_settings(
    table: pd.DataFrame,
    steps: Sequence[int],
    profiles: Mapping[str, Profile],
    others: Mapping[str, pd.DataFrame] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """On validation, by which is chosen, and on test, a row per setting in the same order. A setting is a net of the
    study's table at the grid's steps, at T, and at its own T' (`truncated`), which differs between seeds: there `steps`
    is None, `steps_each` those of the seeds and `mean_steps` their mean. So it is with early exit (`exits`), in which a
    sample runs for `most_steps` at most. Those runs, and the nets fine-tuned for fewer steps (`tuned`), are of the
    tables of `others`, by study. `difference` is accuracy against the dense net
    at T of the same seed. `empty`: a layer has no synapse left. By profile: `reduction` is the share of the dense net's
    energy that is saved, `truncation` that against the same net at T, `gap` the way from the paper's `formula` to the
    reduction (`_savings`); a constant input is computed once, but at every step in `energy_every_step_pj` and
    `reduction_every_step`."""
    rows = _savings(every_run(table, others or {}), profiles)
    emptied = pd.MultiIndex.from_frame(table.loc[(table["layer"] != ALL) & (table["nnz"] == 0), NET])
    rows["empty"] = pd.MultiIndex.from_frame(rows[NET]).isin(emptied)
    rows["net"] = pd.factorize(pd.MultiIndex.from_frame(rows[NET]))[0]
    is_other = rows["tuned"] | rows["exits"]
    grid = rows[is_other | rows["steps"].isin({*steps, int(table["timesteps"].max())})]
    short = rows[rows["truncated"]]
    every = pd.concat([grid.assign(truncated=False, at=grid["most_steps"]), short.assign(at=0)])
    every = every.sort_values(["net", *HOW, "at", "seed"])
    validation, test = (
        over_seeds(
            every[every["split"] == split],
            [*NET, *HOW, "at"],
            ["sparsity", "accuracy", *COUNTS, "spike_rate", "formula"],
            steps=lambda runs: None if runs[["truncated", "exits"]].any(axis=None) else int(runs["steps"].iloc[0]),
            most_steps=lambda runs: int(runs["most_steps"].max()),
            steps_each=lambda runs: runs["steps"].tolist(),
            mean_steps=lambda runs: runs["steps"].mean(),
            synapses=lambda runs: int(runs["synapses"].iloc[0]),
            empty=lambda runs: bool(runs["empty"].any()),
            difference=lambda runs: paired_difference(runs["accuracy"], runs["accuracy_dense"]),
            **{
                key: lambda runs, column=column: {name: describe(runs[f"{column}_{name}"]) for name in profiles}
                for key, column in PRICED.items()
            },
            gap=lambda runs: {name: {part: runs[f"{part}_{name}"].mean() for part in GAP} for name in profiles},
            **{key: lambda runs, key=key: runs[key].mean() for key in SIZES},
        ).drop(columns="at")
        for split in ("validation", "test")
    )
    return validation, test


def steps_of(setting: Any) -> str:
    """`T' = 8 to 9`, `10`, `4, early exit after 2.31`, `4, fine-tuned`."""
    return f"{_limit_text(setting)}{', fine-tuned' if setting.tuned else ''}{_exit_text(setting)}"


def setting_name(setting: Any, timesteps: int) -> str:
    """`cqp@0.95, 5 of 10 steps`, `cqp@0.95, fine-tuned for 4 of 10 steps, early exit after 2.31`."""
    net = net_text(setting.method, setting.level, setting.sparsity.mean, setting.synapses)
    tuned = "fine-tuned for " if setting.tuned else ""
    return f"{net}, {tuned}{_limit_text(setting)} of {timesteps} steps{_exit_text(setting)}"


def _limit_text(setting: Any) -> str:
    return f"T' = {steps_text(setting.steps_each)}" if setting.truncated else str(setting.most_steps)


def _exit_text(setting: Any) -> str:
    return f", early exit after {setting.mean_steps:.2f}" if setting.exits else ""


def saved_text(setting: Any, profile: str) -> str:
    """`78.64 ± 0.49 % less energy`, and by the other convention where it says something else."""
    saved, other = (getattr(setting, key)[profile].text() for key in ("reduction", "reduction_every_step"))
    beside = "" if saved == other else f" ({other} % with the input counted at every step)"
    return f"{saved} % less energy{beside}"


def _savings(whole: pd.DataFrame, profiles: Mapping[str, Profile]) -> pd.DataFrame:
    """The rows with what each saves, beside the accuracy of the dense net at T of the same seed and split. From the
    paper's formula to the reduction by count, as differences of saved shares: `activity`, what stays is busier, or less
    busy, than what went (effective operations instead of synapses times steps); `input_once`, a constant input is
    computed once however many steps follow; `prices`, MACs and ACs cost differently, and, by profiles with memory, so
    do weights with an index; `neuron_updates`, they cost too, and no mask removes them."""
    at_t = whole[(whole["steps"] == whole["timesteps"]) & ~whole["exits"]]
    dense = whole[PAIR].merge(at_t[at_t["method"] == DENSE], on=PAIR, how="left", validate="many_to_one")
    same = whole[[*PAIR, *NET]].merge(at_t, on=[*PAIR, *NET], how="left", validate="many_to_one")
    rows = whole.reset_index(drop=True)
    sparsity = 1 - rows["nnz"] / rows["synapses"]
    formula = formula_reduction(sparsity, rows["steps"], rows["timesteps"])
    operations, once = (1 - (rows[macs] + rows["acs"]) / (dense[macs] + dense["acs"]) for macs in ("macs", "macs_once"))
    found = {"sparsity": sparsity, "formula": formula, "accuracy_dense": dense["accuracy"]}
    for name, profile in profiles.items():
        energy, energy_once = f"energy_pj_{name}", f"energy_once_pj_{name}"
        priced, counted = (
            1 - _energy(rows, profile, updates) / _energy(dense, profile, updates) for updates in (False, True)
        )
        found |= {f"reduction_{name}": 1 - rows[energy_once] / dense[energy_once]}
        found |= {f"reduction_every_step_{name}": 1 - rows[energy] / dense[energy]}
        found |= {f"truncation_{name}": 1 - rows[energy_once] / same[energy_once]}
        steps = (operations - formula, once - operations, priced - once, counted - priced)
        parts = zip(GAP, steps, strict=True)
        found |= {f"{part}_{name}": values for part, values in parts}
    return rows.assign(**found)


def _energy(rows: pd.DataFrame, profile: Profile, updates: bool) -> pd.Series:
    bits = rows["index_bits_once"]
    return energy_pj(rows["macs_once"], rows["acs"], updates * rows["neuron_updates"], profile, bits)
