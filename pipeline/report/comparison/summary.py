"""The comparison of methods: one tidy table over methods, seeds and levels, and its summary over seeds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from pipeline.io.nets import DENSE, level_text, net_name
from pipeline.report.comparison.energy_parts import energy_by_part
from pipeline.report.comparison.equal_energy import equal_energy, saved_energy
from pipeline.report.statistics import (
    Difference,
    Interval,
    as_family,
    describe,
    over_seeds,
    paired_difference,
    plain,
)
from snnprune.core.errors import UserError
from snnprune.energy.profiles import Profile

KEY = ["method", "seed", "level"]
COUNTS = (
    *("effective_macs", "effective_macs_once", "effective_acs", "dense_macs", "dense_acs"),
    *("neuron_updates", "dense_updates", "index_bits", "index_bits_once", "spike_rate", "empty_layers"),
)
MEASURED = (
    *("sparsity", "validation_accuracy", "accuracy_before", "accuracy"),
    *("one_shot_sparsity", "one_shot_accuracy", "one_shot_compensated", "saved_energy"),
)


@dataclass(frozen=True)
class Comparison:
    """What `summary.json` holds: the dense nets' test accuracy, the method that margins are over (None: there are none)
    and `results`, a row per method and level. Its columns: method, level, keep, nnz (of every seed), empty_layers (of
    the seed with most), `MEASURED` (intervals over seeds; accuracies are of test if not said otherwise, as fractions of
    1; `one_shot_*`: pruned from the dense net in one step, not fine-tuned; `one_shot_compensated`: with the weights
    solved anew, None where the network runs its own forward; `saved_energy`: a share of the dense net's, see
    `equal_energy.py`) and margin: accuracy minus the baseline's, paired, all of them corrected as one family of
    tests; None without a baseline, for itself, and where one of both is no rival. one_dense_net: all seeds pruned the
    same one, a trained network of the user's own, so that they vary fine-tuning alone. equal_energy: accuracies and
    margins at equal energy (`equal_energy.py`). energy_parts: what the energy of the dense nets and of those of the
    best method is spent on (`energy_parts.py`)."""

    experiment: str
    protocol: str
    seeds: list[int]
    synapses: int
    dense: Interval
    baseline: str | None
    results: pd.DataFrame
    one_dense_net: bool = False
    equal_energy: pd.DataFrame = field(default_factory=pd.DataFrame)
    energy_parts: pd.DataFrame = field(default_factory=pd.DataFrame)

    def best(self, level: float) -> Any | None:
        """The row of the rival with the highest mean validation accuracy at a level, the first of equal ones; None
        without a rival. Test accuracy is never looked at."""
        rivals = [one for one in self.results.itertuples() if one.level == level and is_rival(one)]
        return max(rivals, key=lambda one: round(one.validation_accuracy.mean, 12), default=None)

    @property
    def levels(self) -> list[float]:
        """The target sparsities, rising."""
        return sorted(set(self.results["level"]))

    @property
    def by_method(self) -> dict[str, pd.DataFrame]:
        """The results grouped by method, in order."""
        return dict(iter(self.results.groupby("method", sort=False)))


def is_rival(result: Any) -> bool:
    """Whether a row can be held against others of its level: every seed kept as many synapses as asked, and some in
    every layer (through an empty one nothing passes)."""
    return not result.empty_layers and all(count == result.keep for count in result.nnz)


def tidy_table(
    experiment: str,
    dense: dict[int, dict[str, Any]],
    levels: dict[tuple[str, int], pd.DataFrame],
    evaluated: pd.DataFrame,
) -> pd.DataFrame:
    """One row per (method, seed, level); the dense net is method `dense` at level 0.

    Args:
        dense: seed -> metrics of the dense net (`validation_accuracy`).
        levels: (method, seed) -> the prune stage's `levels.csv`.
        evaluated: the evaluate stage's `levels.csv`, priced: accuracies, operations and energy of every net on test.

    Raises:
        UserError: the methods were pruned to different levels or on different networks, or a net was not evaluated.
    """
    _require_alike(experiment, levels)
    frames = [frame.assign(method=method, seed=seed) for (method, seed), frame in levels.items()]
    pruned = pd.concat(frames, ignore_index=True)
    table = pd.concat([_dense_rows(dense, pruned.iloc[0]), pruned], ignore_index=True).assign(experiment=experiment)
    measured = [*COUNTS, *(column for column in evaluated if column.startswith("energy_"))]
    columns = [*KEY, "accuracy_before", "accuracy", "one_shot_accuracy", "one_shot_compensated", *measured]
    joined = table.merge(evaluated[columns], on=KEY, how="left", validate="one_to_one")
    missing = joined[joined[["accuracy", *measured]].isna().any(axis=1)]
    if not missing.empty:
        names = ", ".join(net_name(row.method, row.level, row.seed) for row in missing.itertuples())
        stage = f"evaluate@{experiment}"
        raise UserError(f"{stage} has no row of {names}; run it again: dvc repro {stage}")
    is_dense = joined["method"] == DENSE
    for column in ("accuracy_before", "one_shot_accuracy", "one_shot_compensated"):
        joined[column] = joined[column].where(~is_dense, joined["accuracy"])
    return joined[
        [
            *("experiment", "protocol", *KEY, "sparsity", "keep", "nnz", "synapses"),
            *("validation_accuracy_before", "validation_accuracy", "accuracy_before", "accuracy"),
            *("one_shot_sparsity", "one_shot_accuracy", "one_shot_compensated", "timesteps", *measured),
        ]
    ]


def summarize(
    table: pd.DataFrame,
    baseline: str | None = None,
    *,
    one_dense_net: bool = False,
    profiles: Mapping[str, Profile] | None = None,
) -> Comparison:
    """The tidy table over seeds, with margins over the method `baseline`. Of `one_dense_net` the accuracy is a number
    without an interval. profiles: the hardware whose energy is split into its parts."""
    methods = [method for method in table["method"].unique() if method != DENSE]
    table = table.assign(saved_energy=saved_energy(table)).sort_values(["level", "seed"])
    dense, pruned = table[table["method"] == DENSE], table[table["method"] != DENSE]
    results = over_seeds(
        pruned,
        ["method", "level"],
        MEASURED,
        keep=lambda rows: int(rows["keep"].iloc[0]),
        nnz=lambda rows: rows["nnz"].tolist(),
        empty_layers=lambda rows: int(rows["empty_layers"].max()),
    )
    rivals = {(one.method, one.level) for one in results.itertuples() if is_rival(one)}
    accuracies = {net: rows["accuracy"] for net, rows in pruned.groupby(["method", "level"])}

    def margin(method: str, level: float) -> Difference | None:
        if method == baseline or not {(method, level), (baseline, level)} <= rivals:
            return None
        return paired_difference(accuracies[method, level], accuracies[baseline, level])

    results["margin"] = as_family(margin(one.method, one.level) for one in results.itertuples())
    summary = Comparison(
        experiment=str(table["experiment"].iloc[0]),
        protocol=str(table["protocol"].iloc[0]),
        seeds=sorted(table["seed"].unique().tolist()),
        synapses=int(table["synapses"].iloc[0]),
        dense=describe(dense["accuracy"][:1] if one_dense_net else dense["accuracy"]),
        baseline=baseline,
        results=pd.concat([results[results["method"] == method] for method in methods], ignore_index=True),
        one_dense_net=one_dense_net,
        equal_energy=equal_energy(table, baseline),
    )
    best = summary.best(summary.levels[-1])
    shown = table[table["method"].isin([DENSE, best.method if best else methods[0]])]
    return replace(summary, energy_parts=energy_by_part(shown, profiles or {}))


def to_json(summary: Comparison) -> dict[str, Any]:
    """The content of `summary.json`; that there is one dense net stands in it where it is so."""
    content = plain(summary)
    return content if summary.one_dense_net else {key: content[key] for key in content if key != "one_dense_net"}


def headlines(summary: Comparison) -> dict[str, dict[str, float]]:
    """What `dvc metrics show` prints: method -> mean test accuracy at each level (dense: of the net)."""
    pruned = {
        method: {f"accuracy_at_{level_text(one.level)}": one.accuracy.mean for one in rows.itertuples()}
        for method, rows in summary.by_method.items()
    }
    return {DENSE: {"accuracy": summary.dense.mean}} | pruned


def from_json(text: str) -> Comparison:
    """The comparison in the text of a `summary.json`."""
    content = json.loads(text, object_hook=lambda entry: _interval(entry) if "mean" in entry else entry)
    tables = {name: pd.DataFrame(content.get(name, [])) for name in ("results", "equal_energy", "energy_parts")}
    return Comparison(**content | tables)


def _interval(entry: dict[str, Any]) -> Interval:
    return Difference(**entry) if "p" in entry else Interval(**entry)


def _dense_rows(dense: dict[int, dict[str, Any]], pruned: pd.Series) -> pd.DataFrame:
    """The dense nets as rows of a `levels.csv`, beside a row of a pruned one."""
    accuracies = [metrics["validation_accuracy"] for metrics in dense.values()]
    columns = {"seed": list(dense), "validation_accuracy": accuracies, "validation_accuracy_before": accuracies}
    columns |= dict.fromkeys(("level", "sparsity", "one_shot_sparsity"), 0.0)
    columns |= dict.fromkeys(("keep", "nnz", "synapses"), pruned["synapses"])
    return pd.DataFrame(columns).assign(method=DENSE, protocol=pruned["protocol"], timesteps=pruned["timesteps"])


def _require_alike(experiment: str, levels: dict[tuple[str, int], pd.DataFrame]) -> None:
    """Raise UserError unless all methods and seeds have the same levels of the same network."""
    found: dict[str, list[str]] = {}
    for (method, seed), frame in levels.items():
        what = f"levels {frame['level'].tolist()} of {', '.join(map(str, frame['synapses'].unique()))} synapses"
        found.setdefault(what, []).append(f"{method} seed {seed}")
    if len(found) != 1:
        each = "; ".join(f"{', '.join(runs)}: {what}" for what, runs in found.items())
        raise UserError(f"{experiment}: methods differ in levels or network, prune them again (dvc repro): {each}")
