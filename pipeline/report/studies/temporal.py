"""Summary, sentences and figure of the study `temporal`."""

from typing import Any

import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure

from pipeline.io.nets import DENSE, headline_methods, metric_name, net_name
from pipeline.report.statistics import describe, paired_difference
from pipeline.report.style import half_interval, panels

SMALLEST_KL = 1e-6  # what the figure shows of a KL of 0


def summarize(table: pd.DataFrame) -> dict[str, Any]:
    """Per net over seeds: T', test accuracy at T' and at T, the paired difference, and the curves over steps.

    `authors_*` are the same where the author's code would stop (`divergence.authors_steps`).
    """
    results = [
        _result(str(method), float(level), group)
        for (method, level), group in table.groupby(["method", "level"], sort=False)
    ]
    timesteps = int(table["step"].max())
    metrics: dict[str, float] = {}
    for result in results:
        name = metric_name(result["method"], result["level"])
        metrics[f"steps/{name}"] = result["steps"]["mean"]
        metrics[f"truncated_accuracy/{name}"] = result["truncated_accuracy"]["mean"]
        metrics[f"authors_steps/{name}"] = result["authors_steps"]["mean"]
        metrics[f"authors_accuracy/{name}"] = result["authors_accuracy"]["mean"]
    told = headline_methods(result["method"] for result in results)
    findings = [_say(result, timesteps) for result in results if result["method"] in told]
    return {"findings": findings, "metrics": metrics, "timesteps": timesteps, "results": results}


def draw(summary: dict[str, Any]) -> Figure:
    """KL_t (left, but for T, where it is 0) and validation accuracy over steps; dots mark the mean T'.

    Shown are the nets of `headline_methods`.
    """
    figure, (left, right) = panels(2, "how many time steps are enough?", (11, 4.6))
    told = headline_methods(result["method"] for result in summary["results"])
    shown = [result for result in summary["results"] if result["method"] in told]
    colours = colormaps["viridis"].resampled(max(len(shown), 2))
    for index, result in enumerate(shown):
        colour = "black" if result["method"] == DENSE else colours(index)
        steps = range(1, summary["timesteps"] + 1)
        name = net_name(result["method"], result["level"])
        kl = [max(value, SMALLEST_KL) for value in result["kl"][:-1]]
        left.plot(steps[:-1], kl, color=colour, label=name)
        accuracies = [100 * figures["mean"] for figures in result["validation_accuracy"]]
        spread = [half_interval(figures) for figures in result["validation_accuracy"]]
        right.errorbar(steps, accuracies, yerr=spread, color=colour, capsize=2, label=name)
        at = round(result["steps"]["mean"])
        if at < summary["timesteps"]:
            left.plot(at, kl[at - 1], "o", color=colour)
        right.plot(at, accuracies[at - 1], "o", color=colour)
    left.set_yscale("log")
    left.set_ylabel("KL_t (nats)")
    right.set_ylabel("validation accuracy (%)")
    for axes in (left, right):
        axes.set_xlabel("time step t")
    figure.legend(*left.get_legend_handles_labels(), frameon=False, fontsize=8, loc="outside lower center", ncols=5)
    return figure


def _result(method: str, level: float, group: pd.DataFrame) -> dict[str, Any]:
    seeds = [rows.sort_values("step") for _, rows in group.groupby("seed")]
    chosen = [rows[rows["chosen"]].iloc[0] for rows in seeds]
    authors = [rows[rows["authors"]].iloc[0] for rows in seeds]
    truncated = [float(row["accuracy"]) for row in chosen]
    whole = [float(rows["accuracy"].iloc[-1]) for rows in seeds]
    by_step = [rows for _, rows in group.groupby("step")]
    return {
        "method": method,
        "level": level,
        "steps": describe([int(row["step"]) for row in chosen]),
        "authors_steps": describe([int(row["step"]) for row in authors]),
        "authors_accuracy": describe([float(row["accuracy"]) for row in authors]),
        "accuracy": describe(whole),
        "truncated_accuracy": describe(truncated),
        "difference": paired_difference(truncated, whole),
        "kl": [float(rows["kl"].mean()) for rows in by_step],
        "kl_of_mean": [float(rows["kl_of_mean"].mean()) for rows in by_step],
        "validation_accuracy": [describe(rows["validation_accuracy"].tolist()) for rows in by_step],
    }


def _say(result: dict[str, Any], timesteps: int) -> str:
    difference = result["difference"]
    interval = "" if difference["low"] is None else f" ± {100 * (difference['high'] - difference['mean']):.2f}"
    steps = result["steps"]["mean"]
    enough = "no step is redundant" if steps == timesteps else f"{steps:.1f} of {timesteps} steps are enough"
    return (
        f"{net_name(result['method'], result['level'])}: {enough}; "
        f"test accuracy {100 * result['accuracy']['mean']:.2f} -> {100 * result['truncated_accuracy']['mean']:.2f} % "
        f"({100 * difference['mean']:+.2f}{interval} points); by the author's rule "
        f"{result['authors_steps']['mean']:.1f} steps, {100 * result['authors_accuracy']['mean']:.2f} %"
    )
