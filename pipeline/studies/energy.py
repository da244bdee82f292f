"""Energy: what sparsity and fewer time steps really save, counted from spikes, beside the paper's formula.

Every net is run for T steps, for its T' (study `temporal`) and for the steps of a grid, on validation and on test.
Settings are chosen on validation; counts and accuracies that are told are of test.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from pipeline.analysis.statistics import describe, paired_difference
from pipeline.analysis.style import look, panels
from pipeline.data.store import Dataset
from pipeline.energy.footprint import footprint
from pipeline.energy.front import pareto_front
from pipeline.energy.measure import LayerMeans, Measurement, measure
from pipeline.energy.params import EnergyParams
from pipeline.energy.profiles import Profile, energy_pj, formula_reduction
from pipeline.errors import UserError
from pipeline.files import Row
from pipeline.pruning.mask import prunable_weights
from pipeline.studies.nets import DENSE, Net, label

ALL = "all"
COUNTS = ("macs", "acs", "dense_macs", "dense_acs", "neuron_updates")
SUMS = ("synapses", "nnz", *COUNTS)
SHOWN_POINTS = 10.0  # how far below the best the figure of the front reaches


def energy_rows(
    net: Net, dataset: Dataset, params: EnergyParams, truncated: int, profiles: Mapping[str, Profile], seed: int
) -> list[Row]:
    """Rows of a net by number of steps: all layers together on validation and on test, each layer on test.

    `truncated` is the net's T'; its rows say so. Counts are means over samples. `accuracy` and the footprints stand in
    the rows of all layers only.
    """
    rows: list[Row] = []
    timesteps = net.network.spec.timesteps
    size = footprint(prunable_weights(net.network))
    for steps in sorted({*params.steps, truncated, timesteps}):
        about = {
            "method": net.method,
            "level": net.level,
            "steps": steps,
            "timesteps": timesteps,
            "truncated": steps == truncated,
        }
        for split, samples in (("validation", dataset.validation), ("test", dataset.test)):
            measured = measure(net.network, samples, steps)
            whole = {
                "accuracy": measured.accuracy,
                "dense_bytes": size.dense,
                "csr_bytes": size.csr,
                "bitmask_bytes": size.bitmask,
            }
            rows.append({**about, "split": split, **_counts(measured, profiles), **whole})
            if split == "test":
                empty = dict.fromkeys(whole)
                rows += [{**about, "split": split, **_layer(layer, profiles), **empty} for layer in measured.layers]
    return rows


def summarize(table: pd.DataFrame, params: EnergyParams, profiles: Mapping[str, Profile]) -> dict[str, Any]:
    """Per setting (method, level, steps) over seeds, per profile the front and the cheapest setting allowed.

    `results` are the nets at T, at the grid's steps, and once more at T' (`truncated`, steps None), which differs
    between seeds. `reduction` is against the dense net at T of the same seed, `truncation` against the same net at T;
    `gap` tells the way from the formula to the reduction (`_gap`). `front` holds the settings that no other beats on
    validation, `cheapest` is, of those whose mean validation accuracy is at most `max_loss` below the dense net's,
    the one with the lowest mean validation energy; both are told in figures of test.

    Raises:
        UserError: a dense net needs no energy, so that nothing can be saved.
    """
    _require_energy(table, profiles)
    test, validation = (_of_all_layers(table, split) for split in ("test", "validation"))
    timesteps = int(table["timesteps"].max())
    every = [*params.steps, timesteps] if timesteps not in params.steps else params.steps
    settings = [
        (str(method), float(level), steps)
        for method, level in test[["method", "level"]].drop_duplicates().itertuples(index=False)
        for steps in [*every, None]
    ]
    results = [_result(test, setting, timesteps, profiles) for setting in settings]
    checked = [_result(validation, setting, timesteps, profiles) for setting in settings]
    dense = next(r for r in checked if r["method"] == DENSE and r["steps"] == timesteps)
    allowed = [
        index
        for index, result in enumerate(checked)
        if result["accuracy"]["mean"] >= dense["accuracy"]["mean"] - params.max_loss
    ]
    cheapest: dict[str, Any] = {}
    fronts: dict[str, Any] = {}
    for name in profiles:
        cheapest[name] = results[min(allowed, key=lambda index: checked[index]["energy_pj"][name]["mean"])]
        front = pareto_front(
            [result["accuracy"]["mean"] for result in checked],
            [result["energy_pj"][name]["mean"] for result in checked],
        )
        fronts[name] = [
            {
                **{key: results[index][key] for key in ("method", "level", "steps", "truncated", "mean_steps")},
                "sparsity": results[index]["sparsity"]["mean"],
                "accuracy": results[index]["accuracy"]["mean"],
                "energy_pj": results[index]["energy_pj"][name]["mean"],
                "reduction": results[index]["reduction"][name]["mean"],
            }
            for index in front
        ]
    return {
        "findings": _findings(results, cheapest, timesteps, params.max_loss),
        "metrics": _metrics(results, cheapest, timesteps),
        "timesteps": timesteps,
        "profiles": {name: profile.model_dump() for name, profile in profiles.items()},
        "results": results,
        "cheapest": cheapest,
        "front": fronts,
        "layers": _layers(table, timesteps, profiles),
    }


def draw(summary: dict[str, Any]) -> Figure:
    """The front (left), energy by layer of the dense net and the first method's (middle), formula against count."""
    profile = next(iter(summary["profiles"]))
    figure, (left, middle, right) = panels(3, f"energy of a sample, profile {profile}", (15, 4.8))
    _draw_front(left, summary, profile)
    _draw_layers(middle, summary, profile)
    _draw_formula(right, summary, profile)
    return figure


def _draw_front(axes: Any, summary: dict[str, Any], profile: str) -> None:
    methods = list(dict.fromkeys(result["method"] for result in summary["results"]))
    for index, method in enumerate(methods):
        mine = [result for result in summary["results"] if result["method"] == method]
        style = {**look(method, index), "linestyle": "none"}
        axes.plot(
            [result["energy_pj"][profile]["mean"] / 1e6 for result in mine],
            [100 * result["accuracy"]["mean"] for result in mine],
            label=method,
            alpha=0.6,
            **style,
        )
    front = summary["front"][profile]
    axes.plot(
        [point["energy_pj"] / 1e6 for point in front],
        [100 * point["accuracy"] for point in front],
        color="black",
        linestyle="none",
        marker="o",
        markersize=10,
        markerfacecolor="none",
        label="front (by validation)",
    )
    best = max(100 * point["accuracy"] for point in front)
    axes.set_ylim(best - SHOWN_POINTS, best + 1)
    axes.set_xscale("log")
    axes.set_xlabel("energy of a sample (µJ)")
    axes.set_ylabel(f"test accuracy (%), the best {SHOWN_POINTS:g} points")
    axes.legend(frameon=False, fontsize=8)


def _draw_layers(axes: Any, summary: dict[str, Any], profile: str) -> None:
    nets = list(dict.fromkeys((layer["method"], layer["level"]) for layer in summary["layers"]))
    names = list(dict.fromkeys(layer["layer"] for layer in summary["layers"]))
    shades = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#999999"]
    bottom = [0.0] * len(nets)
    for index, name in enumerate(names):
        heights = [
            sum(
                layer["energy_pj"][profile] / 1e6
                for layer in summary["layers"]
                if (layer["method"], layer["level"], layer["layer"]) == (*net, name)
            )
            for net in nets
        ]
        axes.bar(range(len(nets)), heights, bottom=bottom, color=shades[index % len(shades)], label=name)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    axes.set_xticks(range(len(nets)), [label(*net) for net in nets], rotation=60, ha="right", fontsize=8)
    axes.set_ylabel("energy of a sample by layer (µJ)")
    axes.legend(frameon=False, fontsize=8)


def _draw_formula(axes: Any, summary: dict[str, Any], profile: str) -> None:
    methods = list(dict.fromkeys(result["method"] for result in summary["results"]))
    for index, method in enumerate(methods):
        mine = [result for result in summary["results"] if result["method"] == method and not result["truncated"]]
        axes.plot(
            [100 * result["formula"]["mean"] for result in mine],
            [100 * result["reduction"][profile]["mean"] for result in mine],
            label=method,
            alpha=0.6,
            **{**look(method, index), "linestyle": "none"},
        )
    axes.axline((0, 0), slope=1, color="black", linewidth=1)
    axes.set_xlabel("saved by the paper's formula (%)")
    axes.set_ylabel("saved by count (%)")


def _counts(measured: Measurement, profiles: Mapping[str, Profile]) -> Row:
    sums = {key: sum(getattr(layer, key) for layer in measured.layers) for key in SUMS}
    spikes = sum(layer.spike_rate * layer.neuron_updates for layer in measured.layers)
    return {"layer": ALL, **sums, "spike_rate": spikes / sums["neuron_updates"], **_energies(sums, profiles)}


def _layer(layer: LayerMeans, profiles: Mapping[str, Profile]) -> Row:
    figures = {key: getattr(layer, key) for key in SUMS}
    return {"layer": layer.weight, **figures, "spike_rate": layer.spike_rate, **_energies(figures, profiles)}


def _energies(figures: Mapping[str, float], profiles: Mapping[str, Profile]) -> Row:
    return {
        f"energy_pj_{name}": energy_pj(figures["macs"], figures["acs"], figures["neuron_updates"], profile)
        for name, profile in profiles.items()
    }


def _of_all_layers(table: pd.DataFrame, split: str) -> pd.DataFrame:
    return table[(table["layer"] == ALL) & (table["split"] == split)]


def _result(
    table: pd.DataFrame, setting: tuple[str, float, int | None], timesteps: int, profiles: Mapping[str, Profile]
) -> dict[str, Any]:
    """One setting over seeds; steps None stands for every net's own T'."""
    method, level, steps = setting
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


def _require_energy(table: pd.DataFrame, profiles: Mapping[str, Profile]) -> None:
    dense = table[(table["method"] == DENSE) & (table["layer"] == ALL) & (table["steps"] == table["timesteps"])]
    for row in dense.itertuples(index=False):
        if row.macs + row.acs == 0:
            raise UserError(f"energy: the dense net of seed {row.seed} computes nothing on the {row.split} samples")


def _layers(table: pd.DataFrame, timesteps: int, profiles: Mapping[str, Profile]) -> list[dict[str, Any]]:
    """Mean energy and counts by layer at T, of the dense net and the first method's."""
    methods = list(dict.fromkeys(table["method"]))
    shown = [method for method in methods if method == DENSE] + [m for m in methods if m != DENSE][:1]
    mine = table[(table["layer"] != ALL) & (table["steps"] == timesteps) & table["method"].isin(shown)]
    return [
        {
            "method": str(method),
            "level": float(level),
            "layer": str(layer),
            **{key: float(group[key].mean()) for key in (*COUNTS, "spike_rate")},
            "energy_pj": {name: float(group[f"energy_pj_{name}"].mean()) for name in profiles},
        }
        for (method, level, layer), group in mine.groupby(["method", "level", "layer"], sort=False)
    ]


def _metrics(results: list[dict[str, Any]], cheapest: Mapping[str, Any], timesteps: int) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for result in results:
        if result["steps"] not in (timesteps, None):
            continue
        name = result["method"] if result["method"] == DENSE else f"{result['method']}_{result['level']:g}"
        suffix = f"{name}/truncated" if result["truncated"] else name
        metrics |= {f"energy_pj_{key}/{suffix}": figures["mean"] for key, figures in result["energy_pj"].items()}
        metrics |= {f"effective_{key}/{suffix}": result[key]["mean"] for key in ("macs", "acs")}
        metrics[f"spike_rate/{suffix}"] = result["spike_rate"]["mean"]
        if not result["truncated"]:
            metrics |= {f"{key}/{suffix}": result[key] for key in ("dense_bytes", "csr_bytes", "bitmask_bytes")}
    for name, result in cheapest.items():
        metrics |= {
            f"cheapest_reduction/{name}": result["reduction"][name]["mean"],
            f"cheapest_accuracy/{name}": result["accuracy"]["mean"],
        }
    return metrics


def _findings(results: list[dict[str, Any]], cheapest: Mapping[str, Any], timesteps: int, max_loss: float) -> list[str]:
    first = next((result["method"] for result in results if result["method"] != DENSE), DENSE)
    told = [r for r in results if r["method"] in (DENSE, first) and r["steps"] in (timesteps, None)]
    profile = next(iter(cheapest))
    lines = [_saved(result, timesteps, profile) for result in told if result["method"] != DENSE or result["truncated"]]
    lines += [
        f"{name}: cheapest setting within {100 * max_loss:g} points on validation: {_name(result, timesteps)}; saved "
        f"{_percent(result['reduction'][name])} at {100 * result['difference']['mean']:+.2f} points of test accuracy"
        for name, result in cheapest.items()
    ]
    sizes = [result for result in told if not result["truncated"]]
    lines.append(
        "bytes of the weights, dense / CSR / bit mask: "
        + "; ".join(
            label(r["method"], r["level"])
            + " "
            + " / ".join(f"{r[key]:,.0f}" for key in ("dense_bytes", "csr_bytes", "bitmask_bytes"))
            for r in sizes
        )
    )
    return lines


def _saved(result: dict[str, Any], timesteps: int, profile: str) -> str:
    gap = {name: f"{100 * part:+.1f}" for name, part in result["gap"][profile].items()}
    return (
        f"{_name(result, timesteps)}: saved by count {_percent(result['reduction'][profile])} ({profile}), "
        f"by the paper's formula {_percent(result['formula'])}, which leaves out unequal activity "
        f"({gap['activity']} points), what MACs and ACs cost ({gap['prices']}) and neuron updates "
        f"({gap['neuron_updates']}); test accuracy {_percent(result['accuracy'])}"
    )


def _name(result: dict[str, Any], timesteps: int) -> str:
    steps = f"T' = {result['mean_steps']:.1f}" if result["truncated"] else result["steps"]
    return f"{label(result['method'], result['level'])}, {steps} of {timesteps} steps"


def _percent(figures: dict[str, Any]) -> str:
    spread = "" if figures["low"] is None else f" ± {100 * (figures['high'] - figures['mean']):.2f}"
    return f"{100 * figures['mean']:.2f}{spread} %"
