"""The figures of a comparison, as SVG: the same bytes for the same summary."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.files import replace

# One colour and marker a method, everywhere (Okabe & Ito's colour-blind-safe palette); others take what is left.
COLOURS = {"cqp": "#0072B2", "magnitude": "#D55E00", "osqp": "#CC79A7", "random": "#999999"}
SPARE_COLOURS = ["#009E73", "#E69F00", "#56B4E9", "#F0E442"]
MARKERS = {"cqp": "o", "magnitude": "s", "osqp": "^", "random": "x"}
STYLE = {
    "svg.hashsalt": "figures",
    "font.size": 10,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


ZOOM_POINTS = 6.0  # how far below the dense net the close-up reaches


def accuracy_against_sparsity(summary: dict[str, Any]) -> Figure:
    """Test accuracy over achieved sparsity (share of synapses kept, on a log axis), 95 % intervals over seeds.

    Left everything, right the `ZOOM_POINTS` below the dense net, where the good methods differ.
    """
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
    dense = 100 * summary["dense"]["mean"]
    for axes in panels:
        for index, (method, results) in enumerate(by_method(summary).items()):
            axes.errorbar(
                [1 - result["sparsity"]["mean"] for result in results],
                [100 * result["accuracy"]["mean"] for result in results],
                yerr=[_half(result["accuracy"]) for result in results],
                label=method,
                capsize=3,
                **look(method, index),
            )
        axes.axhline(dense, color="black", linestyle=":", linewidth=1, label=f"dense ({dense:.2f} %)")
        _sparsity_axis(axes, summary)
    panels[0].set_ylabel("test accuracy (%)")
    panels[0].legend(frameon=False)
    panels[1].set_ylim(dense - ZOOM_POINTS, dense + 1)
    panels[1].set_title("close-up")
    figure.suptitle(f"{summary['experiment']}: accuracy against sparsity")
    return figure


def sparsity_error(summary: dict[str, Any]) -> Figure:
    """Achieved minus target sparsity in points, pruned in one step (left) and level after level (right).

    Exact selection lies on zero; what rounding a relaxed mask does to the target is the rest.
    """
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
    titles = {"one_shot_sparsity": "in one step from the dense net", "sparsity": "level after level, fine-tuned"}
    for axes, (key, title) in zip(panels, titles.items(), strict=True):
        for index, (method, results) in enumerate(by_method(summary).items()):
            errors = [100 * (result[key]["mean"] - result["level"]) for result in results]
            axes.plot([1 - result["level"] for result in results], errors, label=method, **look(method, index))
        axes.axhline(0, color="black", linewidth=1)
        _sparsity_axis(axes, summary)
        axes.set_xlabel("target sparsity (%)")
        axes.set_title(title)
    panels[0].set_ylabel("achieved - target sparsity (points)")
    panels[0].legend(frameon=False)
    figure.suptitle(f"{summary['experiment']}: does the mask hit its target?")
    return figure


def save_svg(figure: Figure, path: Path) -> None:
    """Write the figure without a date, and close it."""
    with plt.rc_context(STYLE):
        replace(path, lambda partial: figure.savefig(partial, format="svg", metadata={"Date": None}))
    plt.close(figure)


def by_method(summary: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The summary's results grouped by method, in order."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for result in summary["results"]:
        groups.setdefault(result["method"], []).append(result)
    return groups


def look(method: str, index: int) -> dict[str, Any]:
    """Colour and marker of a method; `index` picks a spare colour for one that has none of its own."""
    colour = COLOURS.get(method, SPARE_COLOURS[index % len(SPARE_COLOURS)])
    return {"color": colour, "marker": MARKERS.get(method, "D"), "linewidth": 1.5, "markersize": 5}


def _half(figures: dict[str, Any]) -> float:
    return 0.0 if figures["low"] is None else 100 * (figures["high"] - figures["mean"])


def _sparsity_axis(axes: Axes, summary: dict[str, Any]) -> None:
    levels = sorted({result["level"] for result in summary["results"]})
    axes.set_xscale("log")
    axes.invert_xaxis()
    axes.set_xticks([1 - level for level in levels], [f"{100 * level:g}" for level in levels])
    axes.minorticks_off()
    axes.set_xlabel("sparsity (%, log scale of the share kept)")
