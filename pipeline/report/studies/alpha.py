"""Summary, sentences and figure of the study `alpha`."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from pipeline.report.statistics import describe
from pipeline.report.style import SPARE_COLOURS, half_interval, look, panels


def summarize(table: pd.DataFrame) -> dict[str, Any]:
    """Per alpha and level over seeds; `chosen` has the highest mean over all of them (the smaller one among equals)."""
    results = [
        {
            "alpha": float(alpha),
            "level": float(level),
            "validation_accuracy": describe(group["validation_accuracy"].tolist()),
        }
        for (alpha, level), group in table.groupby(["alpha", "level"])
    ]
    means = table.groupby("alpha")["validation_accuracy"].mean()
    chosen = float(means.round(12).idxmax())  # equal accuracies summed in another order are equal
    findings = [
        f"alpha {chosen:g} has the highest mean validation accuracy, {100 * means.max():.2f} %; "
        + ", ".join(f"{alpha:g}: {100 * mean:.2f}" for alpha, mean in means.items())
    ]
    metrics = {
        "chosen_alpha": chosen,
        **{f"validation_accuracy/{alpha:g}": float(mean) for alpha, mean in means.items()},
    }
    return {"findings": findings, "metrics": metrics, "chosen": chosen, "results": results}


def draw(summary: dict[str, Any]) -> Figure:
    """Validation accuracy over alpha, a line per level; the chosen alpha is marked."""
    figure, (axes,) = panels(1, "alpha sweep: validation accuracy after fine-tuning", (7.5, 4.2))
    levels = sorted({result["level"] for result in summary["results"]})
    styles = [look("cqp"), look("magnitude"), look("regrow"), look("osqp"), look("gradient"), look("membrane")]
    for index, level in enumerate(levels):
        results = [result for result in summary["results"] if result["level"] == level]
        axes.errorbar(
            [result["alpha"] for result in results],
            [100 * result["validation_accuracy"]["mean"] for result in results],
            yerr=[half_interval(result["validation_accuracy"]) for result in results],
            label=f"sparsity {100 * level:g} %",
            capsize=3,
            **styles[index % len(styles)],
        )
    axes.axvline(summary["chosen"], color=SPARE_COLOURS[0], linestyle=":", label=f"chosen: {summary['chosen']:g}")
    axes.set_xlabel("alpha (0: magnitude alone)")
    axes.set_ylabel("validation accuracy (%)")
    axes.legend(frameon=False)
    return figure
