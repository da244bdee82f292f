"""The figures of a comparison."""

import pandas as pd
from matplotlib.figure import Figure

from pipeline.report.comparison.summary import Comparison
from pipeline.report.statistics import means
from pipeline.report.style import Drawing, draw_intervals, legend_below, look, panels, sparsity_axis

ZOOM_POINTS = 6.0  # how far below the dense net the close-up reaches


def accuracy_against_sparsity(summary: Comparison) -> Figure:
    """Test accuracy over achieved sparsity (share of synapses kept, on a log axis), 95 % intervals over seeds. Left
    everything, right the `ZOOM_POINTS` below the dense net, where the good methods differ."""
    figure, both = panels(f"{summary.experiment}: accuracy against sparsity", (10, 4.5), "test accuracy (%)", "")
    dense = 100 * summary.dense.mean
    for axes in both:
        for method, results in summary.by_method.items():
            kept = 1 - means(results["sparsity"])
            draw_intervals(axes, kept, results["accuracy"], label=_label(method, results), **look(method))
        axes.axhline(dense, color="black", linestyle=":", linewidth=1, label=f"dense ({dense:.2f} %)")
        sparsity_axis(axes, summary.levels, "achieved sparsity (%, log scale of the share kept)")
    legend_below(figure, both[0], columns=4)
    both[1].set_ylim(dense - ZOOM_POINTS, dense + 1)
    both[1].set_title("close-up")
    return figure


def sparsity_error(summary: Comparison) -> Figure:
    """Achieved minus asked sparsity in points, pruned in one step (left) and level after level (right). Exact
    selection lies on zero; what rounding a relaxed mask does to the target is the rest."""
    title, labels = f"{summary.experiment}: does the mask hit its target?", ("achieved - asked sparsity (points)", "")
    figure, both = panels(title, (9, 4), *labels, share_y=True)
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
    both[0].legend(frameon=False)
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
)
