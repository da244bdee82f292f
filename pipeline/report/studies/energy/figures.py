"""The figures of the study `energy`: the front, energy by layer, and the paper's formula against the count."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from pipeline.io.nets import DENSE, net_name
from pipeline.report.studies.energy.settings import Setting
from pipeline.report.studies.energy.summary import EnergySummary
from pipeline.report.studies.energy.tables import BEST_POINTS
from pipeline.report.style import legend_below, look, panels

LAYER_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#999999")


def draw_front(summary: EnergySummary) -> Figure:
    """Test accuracy over energy: every setting, the front as a line, a square around the one chosen on validation."""
    figure, (axes,) = panels(1, "accuracy against energy: every method, level and number of steps", (8, 5.2))
    front = summary.settings.front(summary.profile)
    best = max(100 * setting.accuracy.mean for setting in front)
    near = [setting for setting in summary.settings.test if 100 * setting.accuracy.mean >= best - BEST_POINTS]
    for index, method in enumerate(dict.fromkeys(setting.method for setting in near)):
        mine = [setting for setting in near if setting.method == method]
        points = look(method, index) | {"linestyle": "none", "markersize": 4, "alpha": 0.7}
        _plot(axes, mine, summary.profile, label=method, **points)
    hollow = {"color": "black", "markerfacecolor": "none"}
    line = {"linewidth": 1, "marker": "o", "markersize": 9}
    shown = [setting for setting in front if setting in near]
    _plot(axes, shown, summary.profile, label="front (chosen on validation)", **line, **hollow)
    square = {"linestyle": "none", "marker": "s", "markersize": 15}
    chosen = [summary.cheapest[summary.profile]]
    _plot(axes, chosen, summary.profile, label="cheapest within the allowed loss", **square, **hollow)
    axes.set_ylim(best - BEST_POINTS, best + 1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else ""))
    axes.set_xlabel("energy of a sample (µJ)")
    axes.set_ylabel("test accuracy (%)")
    legend_below(figure, axes, columns=4)
    return figure


def draw_layers(summary: EnergySummary) -> Figure:
    """Energy of a sample at T by layer, a bar per net, its sum beside it."""
    nets = list(dict.fromkeys((layer.method, layer.level) for layer in summary.layers))
    figure, (axes,) = panels(1, "energy of a sample by layer, all time steps", (8, 1.2 + 0.38 * len(nets)))
    ends = [0.0] * len(nets)
    for index, name in enumerate(dict.fromkeys(layer.layer for layer in summary.layers)):
        mine = [layer for layer in summary.layers if layer.layer == name]
        found = {(layer.method, layer.level): layer.energy_pj[summary.profile] / 1e6 for layer in mine}
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


def draw_formula(summary: EnergySummary) -> Figure:
    """Energy saved by count over energy saved by the paper's formula, a line a method over its levels, all T steps."""
    figure, (axes,) = panels(1, "energy saved: the paper's formula against the count", (7, 5))
    whole = [setting for setting in summary.settings.test if setting.steps == summary.timesteps]
    for index, method in enumerate(dict.fromkeys(setting.method for setting in whole)):
        if method != DENSE:
            ordered = sorted((one for one in whole if one.method == method), key=lambda one: one.formula.mean)
            axes.plot(
                [100 * setting.formula.mean for setting in ordered],
                [100 * setting.reduction[summary.profile].mean for setting in ordered],
                label=method,
                **look(method, index),
            )
    axes.axline((100, 100), slope=1, color="black", linewidth=1, linestyle=":", label="formula = count")
    axes.set_xlabel("saved by the paper's formula, 1 - (1 - s) T'/T (%)")
    axes.set_ylabel("saved by count (%)")
    axes.legend(frameon=False)
    return figure


def _plot(axes: Axes, settings: Sequence[Setting], profile: str, **options: Any) -> None:
    energies = [setting.energy_pj[profile].mean / 1e6 for setting in settings]
    axes.plot(energies, [100 * setting.accuracy.mean for setting in settings], **options)
