"""The comparison of methods: one tidy table over methods, seeds and levels, and its summary over seeds."""

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pipeline.io.nets import DENSE, level_text, net_name
from pipeline.report.statistics import Difference, Interval, describe, paired_difference
from snnprune.core.errors import UserError

if TYPE_CHECKING:
    import pandas as pd  # takes a second, and the table in the terminal is printed without it

BASELINE = "magnitude"
KEY = ["method", "seed", "level"]
COUNTS = ("effective_macs", "effective_acs", "dense_macs", "dense_acs", "neuron_updates", "spike_rate")


@dataclass(frozen=True)
class Result:
    """A method at a level over seeds; accuracies are test accuracies as fractions of 1.

    `one_shot_*`: pruned from the dense net in one step, not fine-tuned. `margin`: accuracy minus magnitude's, paired;
    None for magnitude itself, without magnitude, and for a method that missed the level, which compares with nothing.
    """

    method: str
    level: float
    keep: int
    nnz: list[int]
    sparsity: Interval
    accuracy_before: Interval
    accuracy: Interval
    one_shot_sparsity: Interval
    one_shot_accuracy: Interval
    margin: Difference | None


@dataclass(frozen=True)
class Comparison:
    """What `summary.json` holds: the dense nets' test accuracy, and a result per method and level."""

    experiment: str
    protocol: str
    seeds: list[int]
    synapses: int
    dense: Interval
    results: list[Result]

    @property
    def levels(self) -> list[float]:
        """The target sparsities, rising."""
        return sorted({result.level for result in self.results})

    @property
    def by_method(self) -> dict[str, list[Result]]:
        """The results grouped by method, in order."""
        groups: dict[str, list[Result]] = {}
        for result in self.results:
            groups.setdefault(result.method, []).append(result)
        return groups


def tidy_table(
    experiment: str,
    dense: dict[int, dict[str, Any]],
    levels: "dict[tuple[str, int], pd.DataFrame]",
    evaluated: "pd.DataFrame",
) -> "pd.DataFrame":
    """One row per (method, seed, level); the dense net is method `dense` at level 0.

    Args:
        dense: seed -> metrics of the dense net (`validation_accuracy`).
        levels: (method, seed) -> the prune stage's `levels.csv`.
        evaluated: the evaluate stage's `levels.csv`: accuracies, operations and energy of every net on test.

    Raises:
        UserError: the methods were pruned to different levels or on different networks, or a net was not evaluated.
    """
    import pandas as pd

    _require_alike(experiment, levels)
    frames = [frame.assign(method=method, seed=seed) for (method, seed), frame in levels.items()]
    pruned = pd.concat(frames, ignore_index=True)
    first = pruned.iloc[0]
    nets = [
        {
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
            "one_shot_sparsity": 0.0,
            "timesteps": first["timesteps"],
        }
        for seed, metrics in dense.items()
    ]
    table = pd.concat([pd.DataFrame(nets), pruned], ignore_index=True).assign(experiment=experiment)
    measured = [*COUNTS, *(column for column in evaluated if column.startswith("energy_pj_"))]
    columns = [*KEY, "accuracy_before", "accuracy", "one_shot_accuracy", *measured]
    joined = table.merge(evaluated[columns], on=KEY, how="left", validate="one_to_one")
    missing = joined[joined[["accuracy", *measured]].isna().any(axis=1)]
    if not missing.empty:
        names = ", ".join(net_name(row.method, row.level, row.seed) for row in missing.itertuples())
        stage = f"evaluate@{experiment}"
        raise UserError(f"{stage} has no row of {names}; run it again: dvc repro {stage}")
    is_dense = joined["method"] == DENSE
    for column in ("accuracy_before", "one_shot_accuracy"):
        joined[column] = joined[column].where(~is_dense, joined["accuracy"])
    return joined[
        [
            *("experiment", "protocol", *KEY, "sparsity", "keep", "nnz", "synapses"),
            *("validation_accuracy_before", "validation_accuracy", "accuracy_before", "accuracy"),
            *("one_shot_sparsity", "one_shot_accuracy", "timesteps", *measured),
        ]
    ]


def summarize(table: "pd.DataFrame") -> Comparison:
    """The tidy table over seeds."""
    pruned = table[table["method"] != DENSE]
    return Comparison(
        experiment=str(table["experiment"].iloc[0]),
        protocol=str(table["protocol"].iloc[0]),
        seeds=sorted(int(seed) for seed in table["seed"].unique()),
        synapses=int(table["synapses"].iloc[0]),
        dense=describe(table[table["method"] == DENSE].sort_values("seed")["accuracy"].tolist()),
        results=[
            _result(pruned, str(method), float(level))
            for method in pruned["method"].unique()
            for level in sorted(pruned["level"].unique())
        ],
    )


def headlines(summary: Comparison) -> dict[str, dict[str, float]]:
    """What `dvc metrics show` prints: method -> mean test accuracy at each level (dense: of the net)."""
    means: dict[str, dict[str, float]] = {DENSE: {"accuracy": summary.dense.mean}}
    for result in summary.results:
        means.setdefault(result.method, {})[f"accuracy_at_{level_text(result.level)}"] = result.accuracy.mean
    return means


def to_json(summary: Comparison) -> dict[str, Any]:
    """What `summary.json` holds."""
    return asdict(summary)


def from_json(text: str) -> Comparison:
    """The comparison in the text of a `summary.json`."""
    content = json.loads(text, object_hook=lambda entry: _interval(entry) if "mean" in entry else entry)
    return Comparison(**content | {"results": [Result(**result) for result in content["results"]]})


def _interval(entry: dict[str, Any]) -> Interval:
    return Difference(**entry) if "p" in entry else Interval(**entry)


def _require_alike(experiment: str, levels: "dict[tuple[str, int], pd.DataFrame]") -> None:
    """Raise UserError unless all methods and seeds have the same levels of the same network."""
    found: dict[str, list[str]] = {}
    for (method, seed), frame in levels.items():
        what = f"levels {frame['level'].tolist()} of {', '.join(map(str, frame['synapses'].unique()))} synapses"
        found.setdefault(what, []).append(f"{method} seed {seed}")
    if len(found) != 1:
        each = "; ".join(f"{', '.join(runs)}: {what}" for what, runs in found.items())
        raise UserError(f"{experiment}: methods differ in levels or network, prune them again (dvc repro): {each}")


def _result(table: "pd.DataFrame", method: str, level: float) -> Result:
    at_level = table[table["level"] == level].sort_values("seed")
    mine, baseline = at_level[at_level["method"] == method], at_level[at_level["method"] == BASELINE]
    exact = (mine["nnz"] == mine["keep"]).all()
    comparable = method != BASELINE and not baseline.empty and exact
    intervals = ("sparsity", "accuracy_before", "accuracy", "one_shot_sparsity", "one_shot_accuracy")
    return Result(
        method=method,
        level=level,
        keep=int(mine["keep"].iloc[0]),
        nnz=[int(count) for count in mine["nnz"]],
        **{key: describe(mine[key].tolist()) for key in intervals},
        margin=paired_difference(mine["accuracy"].tolist(), baseline["accuracy"].tolist()) if comparable else None,
    )
