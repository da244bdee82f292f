"""The figures of the study `energy`, of the first profile: the front, energy by layer, the formula and the count."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from pipeline.io.nets import DENSE, net_name
from pipeline.report.studies import StudySummary
from pipeline.report.studies.energy.tables import BEST_POINTS
from pipeline.report.style import Drawing, legend_below, look, panels

LAYER_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#999999")
ENERGY = "energy of a sample (µJ)"
HOLLOW = {"color": "black", "markerfacecolor": "none"}


def draw_front(summary: StudySummary) -> Figure:
    """Test accuracy over energy: every setting (half filled: early exit, hollow: fine-tuned for fewer steps), the front
    as a line, a square around the one chosen on validation."""
    title = "accuracy against energy: every method, level and number of steps"
    figure, (axes,) = panels(title, (8, 5.2), "test accuracy (%)", x=ENERGY)
    profile = _profile(summary)
    grid, front = (_of_profile(summary, name) for name in ("grid", "front"))
    best = 100 * front["accuracy"].max()
    near, shown = (rows[100 * rows["accuracy"] >= best - BEST_POINTS] for rows in (grid[~grid["empty"]], front))
    for method, rows in near.groupby("method", sort=False):
        points = look(method) | {"linestyle": "none", "markersize": 4, "alpha": 0.7}
        for (is_tuned, exits), kind in rows.groupby(["tuned", "exits"], sort=False):
            options = points | {"fillstyle": "none" if is_tuned else "left" if exits else "full"}
            name = method if kind.index[0] == rows.index[0] else None
            axes.plot(kind["energy_pj"] / 1e6, 100 * kind["accuracy"], label=name, **options)
    line = {"linewidth": 1, "marker": "o", "markersize": 9, "label": "front (chosen on validation)"}
    axes.plot(shown["energy_pj"] / 1e6, 100 * shown["accuracy"], **line, **HOLLOW)
    chosen = summary.more["cheapest"][profile]
    square = {"linestyle": "none", "marker": "s", "markersize": 15, "label": "cheapest within the allowed loss"}
    axes.plot(chosen["energy_pj"][profile].mean / 1e6, 100 * chosen["accuracy"].mean, **square, **HOLLOW)
    axes.set_ylim(best - BEST_POINTS, best + 1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else ""))
    legend_below(figure, axes, columns=4)
    return figure


def draw_layers(summary: StudySummary) -> Figure:
    """Energy of a sample at T by layer, a bar per net, its sum beside it."""
    layers, profile = summary.more["layers"], _profile(summary)
    energies = layers.assign(energy=[energy[profile] / 1e6 for energy in layers["energy_pj"]])
    nets = energies[["method", "level"]].drop_duplicates()
    names = [net_name(net.method, net.level) for net in nets.itertuples()]
    figure, (axes,) = panels("energy of a sample by layer, all time steps", (8, 1.2 + 0.38 * len(nets)), "", x=ENERGY)
    ends = [0.0] * len(nets)
    for index, (layer, rows) in enumerate(energies.groupby("name", sort=False)):
        widths = nets.merge(rows, how="left")["energy"].fillna(0.0).tolist()
        axes.barh(range(len(nets)), widths, left=ends, color=LAYER_COLOURS[index % len(LAYER_COLOURS)], label=layer)
        ends = [end + width for end, width in zip(ends, widths, strict=True)]
    for row, end in enumerate(ends):
        axes.annotate(f"{end:#.3g} µJ", (end, row), (4, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_yticks(range(len(nets)), names)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.legend(frameon=False, loc="lower right")
    return figure


def draw_formula(summary: StudySummary) -> Figure:
    """Energy saved by count over energy saved by the paper's formula, a line a method over its levels, all T steps."""
    title, label = "energy saved: the paper's formula against the count", "saved by count (%)"
    figure, (axes,) = panels(title, (7, 5), label, x="saved by the paper's formula, 1 - (1 - s) T'/T (%)")
    grid = _of_profile(summary, "grid")
    is_whole = (grid["steps"] == summary.more["timesteps"]) & ~grid["truncated"] & ~grid["exits"]
    whole = grid[is_whole & ~grid["empty"]]
    for method in whole["method"].unique():
        if method != DENSE:
            rows = 100 * whole.loc[whole["method"] == method, ["formula", "reduction"]]
            rows = rows.sort_values("formula", kind="stable")
            axes.plot(rows["formula"], rows["reduction"], label=method, **look(method))
    axes.axline((100, 100), slope=1, color="black", linewidth=1, linestyle=":", label="formula = count")
    axes.legend(frameon=False)
    return figure


def _profile(summary: StudySummary) -> str:
    return next(iter(summary.more["profiles"]))


def _of_profile(summary: StudySummary, table: str) -> pd.DataFrame:
    found = summary.csv_tables[table]
    return found[found["profile"] == _profile(summary)]


FIGURES = (
    Drawing(
        "energy_front",
        "Up and left is better: the line joins the settings that no other beats in both accuracy and energy on "
        "validation. Half filled: early exit; hollow: fine-tuned for fewer steps, with early exit or without. "
        f"Drawn is what lies within {BEST_POINTS:g} points of the best test accuracy on it.",
        draw_front,
    ),
    Drawing(
        "energy_layers",
        "Which layer the energy goes to, and how it shrinks as synapses are removed (a constant input computed once).",
        draw_layers,
    ),
    Drawing(
        "energy_formula",
        "Below the dotted line a method saves less than the paper's formula says: it keeps the busy synapses, and no "
        "mask removes neuron updates; above it, more. A constant input is computed once.",
        draw_formula,
    ),
)
