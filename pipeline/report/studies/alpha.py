"""The study `alpha`: how much criticality should count, by validation accuracy after fine-tuning."""

import pandas as pd
from matplotlib.figure import Figure

from pipeline.report.statistics import over_seeds
from pipeline.report.studies import Context, StudyReport, StudySummary
from pipeline.report.style import Drawing, draw_intervals, look_of_series, panels
from pipeline.report.words import percent

CAPTION = (
    "How much criticality should count: look for the highest point of each line. The dotted line is the alpha "
    "chosen on validation."
)


def summarize(table: pd.DataFrame, context: Context | None = None) -> StudySummary:
    """Per alpha and level; chosen is the highest mean over levels and seeds (the smaller alpha among equals)."""
    means = table.groupby("alpha")["validation_accuracy"].mean()
    chosen = float(means.round(12).idxmax())  # equal accuracies summed in another order are equal
    listed = ", ".join(f"{alpha:g}: {100 * mean:.2f}" for alpha, mean in means.items())
    return StudySummary(
        [f"Alpha {chosen:g} has the highest mean validation accuracy, {100 * means.max():.2f} % ({listed})."],
        {"chosen_alpha": chosen} | {f"validation_accuracy/{alpha:g}": float(mean) for alpha, mean in means.items()},
        over_seeds(table.sort_values(["alpha", "level"], kind="stable"), ["alpha", "level"], ["validation_accuracy"]),
        more={"chosen": chosen},
        facts=[("alpha, chosen on validation", f"{chosen:g} of {', '.join(f'{alpha:g}' for alpha in means.index)}")],
    )


def draw(summary: StudySummary) -> Figure:
    """Validation accuracy over alpha, a line per level; the chosen alpha is marked."""
    figure, (axes,) = panels(
        "alpha sweep: validation accuracy after fine-tuning",
        (7.5, 4.2),
        "validation accuracy (%)",
        x="alpha (0: magnitude alone)",
    )
    for index, (level, rows) in enumerate(summary.results.groupby("level")):
        label = f"sparsity {percent(level)}"
        draw_intervals(axes, rows["alpha"], rows["validation_accuracy"], label=label, **look_of_series(index))
    chosen = summary.more["chosen"]
    axes.axvline(chosen, color="black", linestyle=":", label=f"chosen: {chosen:g}")
    axes.legend(frameon=False)
    return figure


REPORT = StudyReport("The exponent alpha", summarize, (Drawing("alpha", CAPTION, draw),))
