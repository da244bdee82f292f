"""The figures of a comparison."""

from typing import Any

from matplotlib.figure import Figure

from pipeline.report.style import half_interval, look, panels, sparsity_axis

ZOOM_POINTS = 6.0  # how far below the dense net the close-up reaches


def accuracy_against_sparsity(summary: dict[str, Any]) -> Figure:
    """Test accuracy over achieved sparsity (share of synapses kept, on a log axis), 95 % intervals over seeds.

    Left everything, right the `ZOOM_POINTS` below the dense net, where the good methods differ.
    """
    figure, both = panels(2, f"{summary['experiment']}: accuracy against sparsity", (10, 4.5))
    dense = 100 * summary["dense"]["mean"]
    for axes in both:
        for index, (method, results) in enumerate(by_method(summary).items()):
            axes.errorbar(
                [1 - result["sparsity"]["mean"] for result in results],
                [100 * result["accuracy"]["mean"] for result in results],
                yerr=[half_interval(result["accuracy"]) for result in results],
                label=method,
                capsize=3,
                **look(method, index),
            )
        axes.axhline(dense, color="black", linestyle=":", linewidth=1, label=f"dense ({dense:.2f} %)")
        sparsity_axis(axes, levels(summary))
    both[0].set_ylabel("test accuracy (%)")
    both[0].legend(frameon=False)
    both[1].set_ylim(dense - ZOOM_POINTS, dense + 1)
    both[1].set_title("close-up")
    return figure


def sparsity_error(summary: dict[str, Any]) -> Figure:
    """Achieved minus target sparsity in points, pruned in one step (left) and level after level (right).

    Exact selection lies on zero; what rounding a relaxed mask does to the target is the rest.
    """
    figure, both = panels(2, f"{summary['experiment']}: does the mask hit its target?", (9, 4), share_y=True)
    titles = {"one_shot_sparsity": "in one step from the dense net", "sparsity": "level after level, fine-tuned"}
    for axes, (key, title) in zip(both, titles.items(), strict=True):
        for index, (method, results) in enumerate(by_method(summary).items()):
            errors = [100 * (result[key]["mean"] - result["level"]) for result in results]
            axes.plot([1 - result["level"] for result in results], errors, label=method, **look(method, index))
        axes.axhline(0, color="black", linewidth=1)
        sparsity_axis(axes, levels(summary), "target sparsity (%)")
        axes.set_title(title)
    both[0].set_ylabel("achieved - target sparsity (points)")
    both[0].legend(frameon=False)
    return figure


def by_method(summary: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The summary's results grouped by method, in order."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for result in summary["results"]:
        groups.setdefault(result["method"], []).append(result)
    return groups


def levels(summary: dict[str, Any]) -> list[float]:
    """The target sparsities, rising."""
    return sorted({result["level"] for result in summary["results"]})
