"""Summary, sentences and figure of the study `paper`."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from pipeline.io.files import Row
from pipeline.report.statistics import describe, paired_difference
from pipeline.report.style import half_interval, look, panels

# Test accuracy in %: dataset -> level -> method, from the author's public notebooks (Hamza-Faarooq/Pruning-with-SNNs,
# May 2026), and the abstract of arXiv 2606.30676.
NOTEBOOKS: dict[str, dict[float, dict[str, float]]] = {
    "mnist": {
        0.7: {"random": 90.7, "magnitude": 98.0, "gradient": 91.6, "cqp": 95.3},
        0.8: {"random": 65.6, "magnitude": 97.0, "gradient": 62.5, "cqp": 90.6},
        0.9: {"random": 26.8, "magnitude": 91.8, "gradient": 42.5, "cqp": 73.5},
    },
    "fashion_mnist": {
        0.7: {"random": 69.6, "magnitude": 86.8, "gradient": 46.4, "cqp": 84.5},
        0.8: {"random": 58.9, "magnitude": 81.9, "gradient": 30.1, "cqp": 79.9},
        0.9: {"random": 26.6, "magnitude": 63.0, "gradient": 14.6, "cqp": 77.7},
    },
}


ABSTRACT: dict[str, dict[float, dict[str, float]]] = {"mnist": {0.9: {"cqp": 95.6, "magnitude": 93.4}}}


def fair_rows(levels_of: dict[tuple[str, int], pd.DataFrame], levels: list[float]) -> list[Row]:
    """The rows of protocol `fair` at `levels` from the prune stages' tables, (method, seed) -> levels.csv.

    Both sparsities are of all layers.
    """
    columns = ["level", "sparsity", "nnz", "validation_accuracy", "accuracy"]
    return [
        {"seed": seed, "protocol": "fair", "method": method, "network_sparsity": row["sparsity"], **row}
        for (method, seed), table in levels_of.items()
        for row in table[table["level"].isin(levels)][columns].to_dict("records")
    ]


def summarize(table: pd.DataFrame, dataset: str) -> dict[str, Any]:
    """Per protocol, method and level over seeds, beside the published value; CQP's margin over magnitude, paired."""
    results = []
    for (protocol, method, level), group in table.groupby(["protocol", "method", "level"], sort=False):
        entry = {
            "protocol": protocol,
            "method": method,
            "level": float(level),
            "sparsity": describe(group["sparsity"].tolist()),
            "network_sparsity": describe(group["network_sparsity"].tolist()),
            "accuracy": describe(group["accuracy"].tolist()),
        }
        for source, published in (("notebook", NOTEBOOKS), ("abstract", ABSTRACT)):
            value = published.get(dataset, {}).get(float(level), {}).get(method)
            if protocol == "paper" and value is not None:
                entry[source] = value / 100
        results.append(entry)
    margins = [
        {"protocol": protocol, "level": float(level), "margin_points": _margin(group)}
        for (protocol, level), group in table.groupby(["protocol", "level"], sort=False)
        if {"cqp", "magnitude"} <= set(group["method"])
    ]
    findings = [
        _say(m, [r for r in results if (r["protocol"], r["level"]) == (m["protocol"], m["level"])]) for m in margins
    ]
    metrics = {f"{r['protocol']}_accuracy/{r['method']}/{r['level']:g}": r["accuracy"]["mean"] for r in results}
    return {"findings": findings, "metrics": metrics, "dataset": dataset, "margins": margins, "results": results}


def draw(summary: dict[str, Any]) -> Figure:
    """Test accuracy over sparsity: protocol `paper` (left, hollow: the author's notebooks) and `fair` (right)."""
    figure, sides = panels(2, "the same dense nets under both protocols", (10, 4.4), share_y=True)
    titles = {"paper": "paper: first layer only, unequal budgets", "fair": "fair: all layers, one budget"}
    for axes, (protocol, title) in zip(sides, titles.items(), strict=True):
        mine = [result for result in summary["results"] if result["protocol"] == protocol]
        for method in dict.fromkeys(result["method"] for result in mine):
            results = [result for result in mine if result["method"] == method]
            axes.errorbar(
                [100 * result["level"] for result in results],
                [100 * result["accuracy"]["mean"] for result in results],
                yerr=[half_interval(result["accuracy"]) for result in results],
                label=method,
                capsize=3,
                **look(method),
            )
            known = [result for result in results if "notebook" in result]
            if known:
                axes.plot(
                    [100 * result["level"] for result in known],
                    [100 * result["notebook"] for result in known],
                    label=f"{method}, the author's notebook",
                    linestyle="none",
                    markerfacecolor="none",
                    **look(method) | {"markersize": 9},
                )
        axes.set_title(title)
        axes.set_xticks([100 * level for level in sorted({result["level"] for result in summary["results"]})])
        axes.set_xlabel("sparsity (%)")
        if mine:
            axes.legend(frameon=False, fontsize=8)
    sides[0].set_ylabel("test accuracy (%)")
    return figure


def _margin(group: pd.DataFrame) -> dict[str, Any]:
    by_method = {method: rows.sort_values("seed") for method, rows in group.groupby("method")}
    ours, theirs = by_method["cqp"], by_method["magnitude"]
    return paired_difference((100 * ours["accuracy"]).tolist(), (100 * theirs["accuracy"]).tolist())


def _say(margin: dict[str, Any], results: list[dict[str, Any]]) -> str:
    """One line: the margin with its interval, both accuracies, and the published ones where there are any."""
    points = margin["margin_points"]
    spread = "" if points["low"] is None else f" ({points['low']:+.2f} to {points['high']:+.2f})"
    cells = []
    for result in results:
        here = (result["protocol"], result["level"]) == (margin["protocol"], margin["level"])
        if here and result["method"] in ("cqp", "magnitude"):
            published = [f"{100 * result[key]:.1f} in the {key}" for key in ("notebook", "abstract") if key in result]
            told = f" [{', '.join(published)}]" if published else ""
            cells.append(f"{result['method']} {100 * result['accuracy']['mean']:.2f} %{told}")
    return (
        f"protocol {margin['protocol']} at {margin['level']:g}: {', '.join(cells)}; CQP over magnitude "
        f"{points['mean']:+.2f} points{spread}"
    )
