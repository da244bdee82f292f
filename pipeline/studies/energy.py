"""Energy: what sparsity and fewer time steps really save, counted from spikes, beside the paper's formula.

Every net is run for T steps, for its T' (study `temporal`) and for the steps of a grid, on validation and on test.
Settings are chosen on validation; counts and accuracies that are told are of test.
"""

from collections.abc import Callable, Iterable, Mapping
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
from pipeline.files import Row
from pipeline.pruning.mask import prunable_weights
from pipeline.studies.nets import DENSE, Net, label

ALL = "all"
COUNTS = ("macs", "acs", "dense_macs", "dense_acs", "neuron_updates")
SUMS = ("synapses", "nnz", *COUNTS)


def energy_rows(
    nets: Iterable[Net],
    dataset: Dataset,
    params: EnergyParams,
    chosen: Mapping[tuple[int, str, float], int],
    profiles: Mapping[str, Profile],
    seed: int,
) -> list[Row]:
    """Rows of every net and number of steps: all layers together on validation and on test, each layer on test.

    `chosen` gives T' of every (seed, method, level); its rows have `truncated` set. Counts are means over samples.
    `accuracy` and the footprints stand in the rows of all layers only.
    """
    rows: list[Row] = []
    for net in nets:
        timesteps = net.network.spec.timesteps
        truncated = chosen[seed, net.method, net.level]
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
        print(f"  seed {seed}, {label(net.method, net.level)}: counted", flush=True)
    return rows


def summarize(table: pd.DataFrame, params: EnergyParams, profiles: Mapping[str, Profile]) -> dict[str, Any]:
    """Per setting (method, level, steps) over seeds, per profile the front and the cheapest setting allowed.

    Reductions are against the dense net at T of the same seed. `results` are the nets at T, at the grid's steps, and
    once more at T' (`truncated`), which differs between seeds. `cheapest` is, of the settings whose mean validation
    accuracy is at most `max_loss` below the dense net's, the one with the lowest mean validation energy.
    """
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
    chosen: dict[str, Any] = {}
    fronts: dict[str, Any] = {}
    for name in profiles:
        chosen[name] = results[min(allowed, key=lambda index: checked[index]["energy_pj"][name]["mean"])]
        front = pareto_front(
            [result["accuracy"]["mean"] for result in results],
            [result["energy_pj"][name]["mean"] for result in results],
        )
        fronts[name] = [
            {
                **{key: results[index][key] for key in ("method", "level", "steps", "truncated")},
                "accuracy": results[index]["accuracy"]["mean"],
                "energy_pj": results[index]["energy_pj"][name]["mean"],
                "reduction": results[index]["reduction"][name]["mean"],
            }
            for index in front
        ]
    return {
        "findings": _findings(results, chosen, timesteps, params.max_loss, next(iter(profiles))),
        "metrics": _metrics(results, chosen, timesteps),
        "timesteps": timesteps,
        "profiles": {name: profile.model_dump() for name, profile in profiles.items()},
        "results": results,
        "cheapest": chosen,
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
        linewidth=1,
        drawstyle="steps-post",
        label="front",
    )
    best = max(100 * point["accuracy"] for point in front)
    axes.set_ylim(best - 10, best + 1)
    axes.set_xscale("log")
    axes.set_xlabel("energy of a sample (µJ)")
    axes.set_ylabel("test accuracy (%)")
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
    dense = table[(table["method"] == DENSE) & (table["steps"] == timesteps)].sort_values("seed")

    def over_seeds(figure: Callable[[Any], float]) -> dict[str, Any]:
        return describe([figure(row) for row in mine.itertuples(index=False)])

    def reduction(column: str) -> dict[str, Any]:
        return describe([1 - ours / whole for ours, whole in zip(mine[column], dense[column], strict=True)])

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
        "reduction": {name: reduction(f"energy_pj_{name}") for name in profiles},
        **{key: float(mine[key].mean()) for key in ("dense_bytes", "csr_bytes", "bitmask_bytes")},
    }


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


def _metrics(results: list[dict[str, Any]], chosen: Mapping[str, Any], timesteps: int) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for result in results:
        if result["steps"] not in (timesteps, None):
            continue
        name = result["method"] if result["method"] == DENSE else f"{result['method']}_{result['level']:g}"
        suffix = f"{name}/truncated" if result["truncated"] else name
        metrics |= {f"energy_pj_{key}/{suffix}": figures["mean"] for key, figures in result["energy_pj"].items()}
        metrics |= {f"effective_{key}/{suffix}": result[key]["mean"] for key in ("macs", "acs")}
    for name, result in chosen.items():
        metrics |= {
            f"cheapest_reduction/{name}": result["reduction"][name]["mean"],
            f"cheapest_accuracy/{name}": result["accuracy"]["mean"],
        }
    return metrics


def _findings(
    results: list[dict[str, Any]], chosen: Mapping[str, Any], timesteps: int, max_loss: float, profile: str
) -> list[str]:
    first = next((result["method"] for result in results if result["method"] != DENSE), DENSE)
    lines = [
        f"{_name(result, timesteps)}: saved by count {_percent(result['reduction'][profile])}, by the paper's formula "
        f"{_percent(result['formula'])}; test accuracy {_percent(result['accuracy'])}"
        for result in results
        if result["method"] in (DENSE, first) and result["steps"] in (timesteps, None)
    ]
    lines += [
        f"{name}: cheapest setting within {100 * max_loss:g} points on validation: {_name(result, timesteps)}; saved "
        f"{_percent(result['reduction'][name])} at {100 * result['difference']['mean']:+.2f} points of test accuracy"
        for name, result in chosen.items()
    ]
    return [
        *lines,
        "the formula takes every synapse for equally busy and every operation for equally dear, and leaves out neuron "
        "updates, which no mask removes",
    ]


def _name(result: dict[str, Any], timesteps: int) -> str:
    steps = "T'" if result["truncated"] else result["steps"]
    return f"{label(result['method'], result['level'])}, {steps} of {timesteps} steps"


def _percent(figures: dict[str, Any]) -> str:
    spread = "" if figures["low"] is None else f" ± {100 * (figures['high'] - figures['mean']):.2f}"
    return f"{100 * figures['mean']:.2f}{spread} %"
