"""Figures drawn for the page, one idea each, from the studies' tables: the front, energy by layer, formula, cliff."""

import io
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from pipeline.io.nets import DENSE, net_name
from pipeline.report.style import STYLE, half_interval, look, panels

SHOWN_POINTS = 10.0  # how far below the best the front's figure and table reach
LAYER_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#999999")
RULES = {  # `energy` as in the study relaxation; of two rules that do the same the later is drawn thin over the other
    "exact": ("exact top-k with protection", look("cqp") | {"linewidth": 2}),
    "energy": ("relaxed program of the author's code", look("gradient") | {"linewidth": 4, "markersize": 9}),
    "cut": ("hard cut", look("cut") | {"linewidth": 1.2, "linestyle": "--", "markersize": 4}),
}


def accuracy_energy_front(grid: pd.DataFrame, front: pd.DataFrame, chosen: Mapping[str, Any], profile: str) -> Figure:
    """Test accuracy over energy: every setting, the front as a line, a square around the one chosen on validation."""
    figure, (axes,) = panels(1, "accuracy against energy: every method, level and number of steps", (8, 5.2))
    front = front[front["profile"] == profile]
    least = 100 * front["accuracy"].max() - SHOWN_POINTS
    mine = grid[(grid["profile"] == profile) & (100 * grid["accuracy"] >= least)]
    for index, (method, rows) in enumerate(mine.groupby("method", sort=False)):
        axes.plot(
            rows["energy_pj"] / 1e6,
            100 * rows["accuracy"],
            label=method,
            **look(method, index) | {"linestyle": "none", "markersize": 4, "alpha": 0.7},
        )
    shown = front[100 * front["accuracy"] >= least]
    axes.plot(
        shown["energy_pj"] / 1e6,
        100 * shown["accuracy"],
        color="black",
        linewidth=1,
        marker="o",
        markersize=9,
        markerfacecolor="none",
        label="front (chosen on validation)",
    )
    axes.plot(
        chosen["energy_pj"][profile]["mean"] / 1e6,
        100 * chosen["accuracy"]["mean"],
        color="black",
        linestyle="none",
        marker="s",
        markersize=15,
        markerfacecolor="none",
        label="cheapest within the allowed loss",
    )
    axes.set_ylim(least, 100 * front["accuracy"].max() + 1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else ""))
    axes.set_xlabel("energy of a sample (µJ)")
    axes.set_ylabel("test accuracy (%)")
    figure.legend(frameon=False, fontsize=9, loc="outside lower center", ncols=4)
    return figure


def energy_by_layer(layers: list[dict[str, Any]], profile: str) -> Figure:
    """Energy of a sample at T by layer, a bar a net, its sum beside it. Each entry: method, level, layer, energy_pj."""
    nets = list(dict.fromkeys((entry["method"], entry["level"]) for entry in layers))
    names = list(dict.fromkeys(entry["layer"] for entry in layers))
    figure, (axes,) = panels(1, "energy of a sample by layer, all time steps", (8, 1.2 + 0.38 * len(nets)))
    ends = [0.0] * len(nets)
    for index, name in enumerate(names):
        found = {(e["method"], e["level"]): e["energy_pj"][profile] / 1e6 for e in layers if e["layer"] == name}
        widths = [found.get(net, 0.0) for net in nets]
        axes.barh(range(len(nets)), widths, left=ends, color=LAYER_COLOURS[index % len(LAYER_COLOURS)], label=name)
        ends = [end + width for end, width in zip(ends, widths, strict=True)]
    for row, end in enumerate(ends):
        axes.annotate(f"{end:.3g} µJ", (end, row), (4, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_yticks(range(len(nets)), [net_name(*net) for net in nets])
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel("energy of a sample (µJ)")
    axes.legend(frameon=False, loc="lower right")
    return figure


def formula_against_count(grid: pd.DataFrame, profile: str, timesteps: int) -> Figure:
    """Energy saved by count over energy saved by the paper's formula, a line a method over its levels, all T steps."""
    figure, (axes,) = panels(1, "energy saved: the paper's formula against the count", (7, 5))
    whole = grid[(grid["profile"] == profile) & ~grid["truncated"] & (grid["steps"] == timesteps)]
    for index, (method, rows) in enumerate(whole.groupby("method", sort=False)):
        if method != DENSE:
            ordered = rows.sort_values("formula")
            axes.plot(100 * ordered["formula"], 100 * ordered["reduction"], label=method, **look(method, index))
    axes.axline((100, 100), slope=1, color="black", linewidth=1, linestyle=":", label="formula = count")
    axes.set_xlabel("saved by the paper's formula, 1 - (1 - s) T'/T (%)")
    axes.set_ylabel("saved by count (%)")
    axes.legend(frameon=False)
    return figure


def threshold_sweep(summary: Mapping[str, Any]) -> Figure:
    """Test accuracy (left) and achieved sparsity (right) over tau; the cliff of every program is shaded and told."""
    figure, both = panels(2, "threshold sweep: straight from the dense net, no fine-tuning", (10.5, 5))
    for axes, key in zip(both, ("accuracy", "sparsity"), strict=True):
        for rule, (name, style) in RULES.items():
            results = [result for result in summary["results"] if result["rule"] == rule]
            axes.errorbar(
                [result["tau"] for result in results],
                [100 * result[key]["mean"] for result in results],
                yerr=[half_interval(result[key]) for result in results],
                label=name,
                capsize=3,
                elinewidth=1.2,
                **style,
            )
        axes.set_xlabel("tau (criticality / its maximum)")
    both[0].set_ylabel("test accuracy (%)")
    both[1].set_ylabel("achieved sparsity (%)")
    for rule, height in (("energy", 0.9), ("exact", 0.02)):
        _mark_cliff(both[0], summary["cliffs"][rule], RULES[rule][1]["color"], height)
    figure.legend(*both[0].get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=3)
    return figure


def as_svg(figure: Figure) -> str:
    """The figure as an SVG document without a date; it is closed."""
    text = io.StringIO()
    with plt.rc_context(STYLE):
        figure.savefig(text, format="svg", metadata={"Date": None})
    plt.close(figure)
    return text.getvalue()


def _mark_cliff(axes: Axes, cliff: Mapping[str, Any], colour: str, height: float) -> None:
    """Shade the two thresholds between which the rule falls most, and write the fall there, from `height` inwards."""
    if cliff["cause"] == "none":
        return
    axes.axvspan(cliff["tau_before"], cliff["tau"], color=colour, alpha=0.15, linewidth=0)
    axes.annotate(
        f"cliff: {100 * cliff['before']:.1f} to {100 * cliff['after']:.1f} %\n({cliff['cause']})",
        ((cliff["tau_before"] + cliff["tau"]) / 2, height),
        xycoords=("data", "axes fraction"),
        rotation=90,
        ha="center",
        va="top" if height > 0.5 else "bottom",
        fontsize=9,
    )
