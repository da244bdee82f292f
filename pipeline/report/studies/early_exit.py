"""Summary, sentences and figure of the study `early_exit`."""

from typing import Any

import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure

from pipeline.io.nets import DENSE, headline_methods, metric_name, net_name
from pipeline.report.statistics import describe, paired_difference
from pipeline.report.style import panels


def summarize(table: pd.DataFrame) -> dict[str, Any]:
    """Per net over seeds: mean steps and test accuracy at the chosen threshold, the difference to all T, the curve."""
    results = [
        _result(str(method), float(level), group)
        for (method, level), group in table.groupby(["method", "level"], sort=False)
    ]
    metrics: dict[str, float] = {}
    for result in results:
        name = metric_name(result["method"], result["level"])
        metrics[f"steps/{name}"] = result["steps"]["mean"]
        metrics[f"accuracy/{name}"] = result["accuracy"]["mean"]
    told = headline_methods(result["method"] for result in results)
    findings = [_say(result) for result in results if result["method"] in told]
    return {"findings": findings, "metrics": metrics, "results": results}


def draw(summary: dict[str, Any]) -> Figure:
    """Accuracy over mean steps, a curve a net (dense, the first method); crosses: test at the chosen threshold."""
    figure, (axes,) = panels(1, "early exit: accuracy against mean time steps", (7.5, 5.2))
    told = headline_methods(result["method"] for result in summary["results"])
    shown = [result for result in summary["results"] if result["method"] in told]
    colours = colormaps["viridis"].resampled(max(len(shown), 2))
    for index, result in enumerate(shown):
        colour = "black" if result["method"] == DENSE else colours(index)
        axes.plot(
            [point["steps"] for point in result["curve"]],
            [100 * point["accuracy"] for point in result["curve"]],
            marker=".",
            color=colour,
            label=net_name(result["method"], result["level"]),
        )
        axes.plot(result["steps"]["mean"], 100 * result["accuracy"]["mean"], "x", markersize=9, color=colour)
    axes.set_xlabel("mean time steps of a sample")
    axes.set_ylabel("accuracy (%): validation, crosses test")
    figure.legend(*axes.get_legend_handles_labels(), frameon=False, fontsize=8, loc="outside lower center", ncols=4)
    return figure


def _result(method: str, level: float, group: pd.DataFrame) -> dict[str, Any]:
    chosen = group[group["chosen"]].sort_values("seed")
    return {
        "method": method,
        "level": level,
        "threshold": describe(chosen["threshold"].tolist()),
        "steps": describe(chosen["steps"].tolist()),
        "accuracy": describe(chosen["accuracy"].tolist()),
        "difference": paired_difference(chosen["accuracy"].tolist(), chosen["whole_accuracy"].tolist()),
        "curve": [
            {
                "threshold": float(threshold),
                "steps": float(rows["validation_steps"].mean()),
                "accuracy": float(rows["validation_accuracy"].mean()),
            }
            for threshold, rows in group.groupby("threshold")
        ],
    }


def _say(result: dict[str, Any]) -> str:
    return (
        f"{net_name(result['method'], result['level'])}: {result['steps']['mean']:.2f} steps on the mean, "
        f"test accuracy {100 * result['accuracy']['mean']:.2f} % ({100 * result['difference']['mean']:+.2f} points)"
    )
