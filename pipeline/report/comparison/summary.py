"""The comparison of methods: one tidy table over methods, seeds and levels, and its summary over seeds."""

from typing import Any

import pandas as pd

from pipeline.io.nets import DENSE, net_name
from pipeline.report.statistics import describe, paired_difference
from snnprune.core.errors import UserError

BASELINE = "magnitude"
KEY = ["method", "seed", "level"]
COUNTS = ("effective_macs", "effective_acs", "dense_macs", "dense_acs", "neuron_updates", "spike_rate")


def tidy_table(
    experiment: str, dense: dict[int, dict[str, Any]], levels: dict[tuple[str, int], pd.DataFrame]
) -> pd.DataFrame:
    """One row per (method, seed, level); the dense net is method `dense` at level 0.

    Args:
        dense: seed -> metrics of the dense net (`accuracy`, `validation_accuracy`).
        levels: (method, seed) -> its `levels.csv`.

    Raises:
        UserError: the methods were pruned to different levels or on different networks.
    """
    _require_alike(experiment, levels)
    frames = [frame.assign(experiment=experiment, method=method, seed=seed) for (method, seed), frame in levels.items()]
    pruned = pd.concat(frames, ignore_index=True)
    first = pruned.iloc[0]
    rows = [
        {
            "experiment": experiment,
            "protocol": first["protocol"],
            "method": DENSE,
            "seed": seed,
            "level": 0.0,
            "sparsity": 0.0,
            "keep": first["synapses"],
            "nnz": first["synapses"],
            "synapses": first["synapses"],
            "validation_accuracy_before": metrics["validation_accuracy"],
            "validation_accuracy": metrics["validation_accuracy"],
            "accuracy_before": metrics["accuracy"],
            "accuracy": metrics["accuracy"],
            "one_shot_sparsity": 0.0,
            "one_shot_accuracy": metrics["accuracy"],
            "timesteps": first["timesteps"],
        }
        for seed, metrics in dense.items()
    ]
    columns = list(rows[0])
    return pd.concat([pd.DataFrame(rows), pruned[columns]], ignore_index=True)


def with_energy(table: pd.DataFrame, energy: pd.DataFrame) -> pd.DataFrame:
    """The tidy table with what every net computes at T, from the study `energy` (its `levels.csv`), as further columns.

    Effective and dense MACs and ACs, neuron updates, spike rate, picojoules by hardware profile: of a sample, on test.

    Raises:
        UserError: the study has no row of one of the nets.
    """
    names = [*COUNTS, *(column for column in energy if column.startswith("energy_pj_"))]
    joined = table.merge(energy[[*KEY, *names]], on=KEY, how="left", validate="one_to_one")
    missing = joined[joined[names].isna().any(axis=1)]
    if not missing.empty:
        nets = ", ".join(f"{net_name(row.method, row.level)} seed {row.seed}" for row in missing.itertuples())
        experiment = table["experiment"].iloc[0]
        raise UserError(f"energy@{experiment} has no row of {nets}; run it again: dvc repro energy@{experiment}")
    return joined


def summarize(table: pd.DataFrame) -> dict[str, Any]:
    """Per method and level over seeds: accuracy, accuracy before fine-tuning, achieved sparsity, margin over magnitude.

    `one_shot_*` are the figures of pruning the dense net in one step without fine-tuning. Accuracies are test
    accuracies as fractions of 1; `margin` is the paired difference, None for magnitude itself, when magnitude was not
    run, and for a method that missed the target sparsity, which compares with nothing.
    """
    pruned = table[table["method"] != DENSE]
    return {
        "experiment": table["experiment"].iloc[0],
        "protocol": table["protocol"].iloc[0],
        "seeds": sorted(int(seed) for seed in table["seed"].unique()),
        "synapses": int(table["synapses"].iloc[0]),
        "dense": describe(table[table["method"] == DENSE].sort_values("seed")["accuracy"].tolist()),
        "results": [
            _result(pruned, method, level)
            for method in pruned["method"].unique()
            for level in sorted(pruned["level"].unique())
        ],
    }


def headlines(summary: dict[str, Any]) -> dict[str, dict[str, float]]:
    """What `dvc metrics show` prints: method -> mean test accuracy at each level (dense: of the net)."""
    means: dict[str, dict[str, float]] = {DENSE: {"accuracy": summary["dense"]["mean"]}}
    for result in summary["results"]:
        means.setdefault(result["method"], {})[f"accuracy_at_{result['level']}"] = result["accuracy"]["mean"]
    return means


def _require_alike(experiment: str, levels: dict[tuple[str, int], pd.DataFrame]) -> None:
    """Raise UserError unless all methods and seeds have the same levels of the same network."""
    found: dict[str, list[str]] = {}
    for (method, seed), frame in levels.items():
        what = f"levels {frame['level'].tolist()} of {', '.join(map(str, frame['synapses'].unique()))} synapses"
        found.setdefault(what, []).append(f"{method} seed {seed}")
    if len(found) != 1:
        each = "; ".join(f"{', '.join(runs)}: {what}" for what, runs in found.items())
        raise UserError(f"{experiment}: methods differ in levels or network, prune them anew (dvc repro): {each}")


def _cell(table: pd.DataFrame, method: str, level: float, column: str) -> list[float]:
    rows = table[(table["method"] == method) & (table["level"] == level)]
    return rows.sort_values("seed")[column].tolist()


def _result(table: pd.DataFrame, method: str, level: float) -> dict[str, Any]:
    accuracies = _cell(table, method, level, "accuracy")
    baseline = _cell(table, BASELINE, level, "accuracy") if method != BASELINE else []
    exact = _cell(table, method, level, "nnz") == _cell(table, method, level, "keep")
    return {
        "method": method,
        "level": float(level),
        "keep": int(_cell(table, method, level, "keep")[0]),
        "nnz": [int(count) for count in _cell(table, method, level, "nnz")],
        "sparsity": describe(_cell(table, method, level, "sparsity")),
        "accuracy_before": describe(_cell(table, method, level, "accuracy_before")),
        "accuracy": describe(accuracies),
        "one_shot_sparsity": describe(_cell(table, method, level, "one_shot_sparsity")),
        "one_shot_accuracy": describe(_cell(table, method, level, "one_shot_accuracy")),
        "margin": paired_difference(accuracies, baseline) if baseline and exact else None,
    }
