"""The figures of a comparison."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pipeline.io.nets import net_name
from pipeline.report.comparison.energy_parts import PARTS
from pipeline.report.comparison.equal_energy import SAVINGS
from pipeline.report.comparison.summary import Comparison
from pipeline.report.statistics import means
from pipeline.report.style import Drawing, draw_intervals, legend_below, legend_beside, look, panels, sparsity_axis

PART_COLOURS = ("#0072B2", "#56B4E9", "#009E73", "#D55E00", "#E69F00")
ZOOM_POINTS = 6.0  # how far below the dense net the close-up reaches


def accuracy_against_sparsity(summary: Comparison) -> Figure:
    """Test accuracy over achieved sparsity (share of synapses kept, on a log axis), 95 % intervals over seeds. Left
    everything, right, unless all lies there, the `ZOOM_POINTS` below the dense net, where the good methods differ."""
    dense = 100 * summary.dense.mean
    lowest = min(100 * means(results["accuracy"]).min() for results in summary.by_method.values())
    labels = ["test accuracy (%)", *([""] if lowest < dense - ZOOM_POINTS else [])]
    figure, panes = panels(f"{summary.experiment}: accuracy against sparsity", (2 + 5 * len(labels), 4.8), *labels)
    for axes in panes:
        for method, results in summary.by_method.items():
            kept = 1 - means(results["sparsity"])
            draw_intervals(axes, kept, results["accuracy"], label=_label(method, results), **look(method))
        axes.axhline(dense, color="black", linestyle=":", linewidth=1, label=f"dense ({dense:.2f} %)")
        sparsity_axis(axes, summary.levels, "achieved sparsity (%, log scale of the share kept)")
    legend_beside(figure, panes[0])
    for axes in panes[1:]:
        axes.set_ylim(dense - ZOOM_POINTS, dense + 1)
        axes.set_title("close-up")
    return figure


def sparsity_error(summary: Comparison) -> Figure:
    """Achieved minus asked sparsity in points, pruned in one step (left) and level after level (right). Exact
    selection lies on zero; what rounding a relaxed mask does to the target is the rest."""
    title, labels = f"{summary.experiment}: does the mask hit its target?", ("achieved - asked sparsity (points)", "")
    figure, both = panels(title, (11, 4.6), *labels, share_y=True)
    titles = {"one_shot_sparsity": "in one step from the dense net", "sparsity": "level after level, fine-tuned"}
    for axes, (key, name) in zip(both, titles.items(), strict=True):
        for method, results in summary.by_method.items():
            errors = 100 * (means(results[key]) - results["level"])
            axes.plot(1 - results["level"], errors, label=method, **look(method))
        axes.axhline(0, color="black", linewidth=1)
        sparsity_axis(axes, summary.levels, "sparsity asked (%)")
        axes.set_title(name)
    low, high = both[0].get_ylim()
    both[0].set_ylim(min(low, -1), max(high, 1))  # rounding to a whole synapse is no miss
    legend_beside(figure, both[0])
    return figure


def accuracy_against_energy(summary: Comparison) -> Figure:
    """Left: test accuracy of every level over the energy it takes, 95 % intervals over seeds, within `ZOOM_POINTS` of
    the dense net. Right: margins over the baseline at equal energy, where there are some, down to `-ZOOM_POINTS`."""
    margins = summary.equal_energy
    margins = margins.dropna(subset="margin") if len(margins) else margins
    title, labels = f"{summary.experiment}: accuracy against energy", ["test accuracy (%)"]
    labels += [f"over {summary.baseline} at equal energy (points)"] if len(margins) else []
    figure, axes = panels(title, (6 + 5 * len(labels[1:]) + 1, 4.8), *labels)
    dense = 100 * summary.dense.mean
    for method, results in summary.by_method.items():
        rows = results.dropna(subset="saved_energy")
        draw_intervals(axes[0], 1 - means(rows["saved_energy"]), rows["accuracy"], label=method, **look(method))
        if len(margins):
            mine = margins[margins["method"] == method]
            points = [one.scaled(100) for one in mine["margin"]]
            draw_intervals(axes[1], 1 - mine["saving"], points, 1, label=method, **look(method))
    axes[0].axhline(dense, color="black", linestyle=":", linewidth=1, label=f"dense ({dense:.2f} %)")
    axes[0].set_ylim(dense - ZOOM_POINTS, dense + 1)
    if len(margins):
        axes[1].axhline(0, color="black", linewidth=1)
        axes[1].set_ylim(bottom=max(axes[1].get_ylim()[0], -ZOOM_POINTS))
    for panel in axes:
        sparsity_axis(panel, [0.0, 0.5, *SAVINGS], "energy saved (%, log scale of the share left)")
    legend_beside(figure, axes[0])
    return figure


def energy_by_part(summary: Comparison) -> Figure:
    """Energy of a sample by its parts, a panel per profile, of the dense net and of the levels of the best method."""
    shown = summary.energy_parts
    profiles = list(dict.fromkeys(shown["profile"]))
    names = [net_name(row.method, row.level) for row in shown[shown["profile"] == profiles[0]].itertuples()]
    labels = [""] * len(profiles)
    size = (3.6 * len(profiles) + 2, 1.6 + 0.32 * len(names))
    figure, panes = panels("what the energy of a sample is spent on", size, *labels, share_y=True, x="nJ")
    for axes, profile in zip(panes, profiles, strict=True):
        rows, ends = shown[shown["profile"] == profile], np.zeros(len(names))
        for colour, (part, label) in zip(PART_COLOURS, PARTS.items(), strict=True):
            widths = rows[part].to_numpy(dtype=float) / 1000
            axes.barh(range(len(names)), widths, left=ends, color=colour, label=label)
            ends = ends + widths
        axes.set_title(profile, fontsize=9)
    panes[0].set_yticks(range(len(names)), names)
    panes[0].invert_yaxis()
    legend_below(figure, panes[0], columns=len(PARTS), size=8)
    return figure


def _label(method: str, results: pd.DataFrame) -> str:
    return f"{method} (empties a layer)" if results["empty_layers"].any() else method


FIGURES = (
    Drawing(
        "accuracy_against_sparsity",
        "Follow a line to the right, where fewer and fewer synapses are left: the higher it ends, the better the "
        "method chose them. Bars are 95 % intervals over seeds, the dotted line is the dense net.",
        accuracy_against_sparsity,
    ),
    Drawing(
        "sparsity_error",
        "Exact selection sits on zero at every level; a relaxed mask that is rounded does not.",
        sparsity_error,
    ),
    Drawing(
        "accuracy_against_energy",
        "Left, further right saves more energy than the dense net takes. Right, what is above zero is better than the "
        "baseline for the same energy, interpolated between levels. Bars are 95 % intervals over seeds; a constant "
        "input is computed once.",
        accuracy_against_energy,
    ),
)
SPENT = Drawing(
    "energy_by_part",
    "What the energy is spent on by each hardware profile, of the dense net and of the best method's levels: with "
    "memory counted, fetching weights outweighs all arithmetic.",
    energy_by_part,
)
