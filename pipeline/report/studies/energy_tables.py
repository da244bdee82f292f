"""The tables of the study `energy` beside its raw rows: a row per net, per setting, and per point of the front."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipeline.io.files import Row
from pipeline.io.nets import DENSE
from pipeline.report.studies.energy_settings import ALL, Settings
from snnprune.energy.profiles import Profile


def net_rows(table: pd.DataFrame, profiles: Mapping[str, Profile]) -> list[Row]:
    """One row per (seed, method, level), all of test: the net at T, and the same columns of T' as `truncated_*`.

    Counts and picojoules are means over samples; `reduction_*` is the share of the same seed's dense net at T.
    """
    test = table[(table["layer"] == ALL) & (table["split"] == "test")]
    energies = [f"energy_pj_{name}" for name in profiles]
    of_seed = {row["seed"]: row for row in test.to_dict("records") if _is_dense_at_t(row)}
    rows: list[Row] = []
    for (seed, method, level), runs in test.groupby(["seed", "method", "level"], sort=False):
        whole = runs[runs["steps"] == runs["timesteps"]].to_dict("records")[0]
        short = runs[runs["truncated"]].to_dict("records")[0]
        figures = {
            prefix + name: value
            for prefix, run in (("", whole), ("truncated_", short))
            for name, value in {
                "steps": run["steps"],
                "accuracy": run["accuracy"],
                "effective_macs": run["macs"],
                "effective_acs": run["acs"],
                "neuron_updates": run["neuron_updates"],
                "spike_rate": run["spike_rate"],
                **{energy: run[energy] for energy in energies},
                **{
                    f"reduction_{name}": 1 - run[f"energy_pj_{name}"] / of_seed[seed][f"energy_pj_{name}"]
                    for name in profiles
                },
            }.items()
        }
        rows.append(
            {
                "seed": int(seed),
                "method": str(method),
                "level": float(level),
                "sparsity": 1 - whole["nnz"] / whole["synapses"],
                **figures,
                **{key: whole[key] for key in ("dense_macs", "dense_acs", "dense_bytes", "csr_bytes", "bitmask_bytes")},
            }
        )
    return rows


def grid_rows(settings: Settings, profiles: Mapping[str, Profile]) -> list[Row]:
    """Sparsity by time steps: a row per profile and setting, of test but for the two columns by which is chosen.

    In the rows of T' (`truncated`), which differs between seeds, `steps` is its mean. `*_low` and `*_high` are 95 %
    intervals.
    """
    return [
        {
            "profile": profile,
            **_setting(test),
            "validation_accuracy": validation["accuracy"]["mean"],
            "validation_energy_pj": validation["energy_pj"][profile]["mean"],
            **_interval("accuracy", test["accuracy"]),
            **_interval("difference", test["difference"]),
            **{f"effective_{key}": test[key]["mean"] for key in ("macs", "acs")},
            "neuron_updates": test["neuron_updates"]["mean"],
            "spike_rate": test["spike_rate"]["mean"],
            **_interval("energy_pj", test["energy_pj"][profile]),
            **_interval("reduction", test["reduction"][profile]),
            **_interval("formula", test["formula"]),
            **{f"gap_{part}": value for part, value in test["gap"][profile].items()},
            **_interval("truncation", test["truncation"][profile]),
        }
        for profile in profiles
        for test, validation in zip(settings.test, settings.validation, strict=True)
    ]


def front_rows(settings: Settings, profiles: Mapping[str, Profile]) -> list[Row]:
    """The accuracy-energy front by profile and rising energy: chosen on validation, told in figures of test."""
    return [
        {
            "profile": profile,
            **_setting(settings.test[index]),
            **_interval("accuracy", settings.test[index]["accuracy"]),
            **_interval("energy_pj", settings.test[index]["energy_pj"][profile]),
            **_interval("reduction", settings.test[index]["reduction"][profile]),
        }
        for profile in profiles
        for index in settings.front(profile)
    ]


def _is_dense_at_t(row: dict[str, Any]) -> bool:
    return row["method"] == DENSE and row["steps"] == row["timesteps"]


def _setting(result: dict[str, Any]) -> Row:
    return {
        **{key: result[key] for key in ("method", "level", "truncated")},
        "steps": result["mean_steps"],
        "sparsity": result["sparsity"]["mean"],
    }


def _interval(name: str, figures: dict[str, Any]) -> Row:
    return {name: figures["mean"], f"{name}_low": figures["low"], f"{name}_high": figures["high"]}
