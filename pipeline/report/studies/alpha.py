"""The study `alpha`: how much criticality should count."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from pipeline.report.statistics import Interval, describe
from pipeline.report.studies import Context, Drawing, StudyReport, StudySummary
from pipeline.report.style import draw_intervals, look, panels

CAPTION = (
    "How much criticality should count: look for the highest point of each line. The dotted line is the alpha "
    "chosen on validation."
)
LOOKS = [look(name) for name in ("cqp", "magnitude", "regrow", "osqp", "gradient", "membrane")]


@dataclass(frozen=True)
class AlphaResult:
    """Validation accuracy after fine-tuning."""

    alpha: float
    level: float
    validation_accuracy: Interval


@dataclass(frozen=True)
class AlphaSummary(StudySummary):
    """`chosen` has the highest mean over levels and seeds (the smaller one among equals)."""

    chosen: float
    results: list[AlphaResult]

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The choice."""
        values = ", ".join(f"{value:g}" for value in sorted({result.alpha for result in self.results}))
        return [("alpha, chosen on validation", f"{self.chosen:g} of {values}")]


def summarize(table: pd.DataFrame, context: Context | None = None) -> AlphaSummary:
    """Per alpha and level over seeds."""
    means = table.groupby("alpha")["validation_accuracy"].mean()
    chosen = float(means.round(12).idxmax())  # equal accuracies summed in another order are equal
    listed = ", ".join(f"{alpha:g}: {100 * mean:.2f}" for alpha, mean in means.items())
    return AlphaSummary(
        findings=[f"Alpha {chosen:g} has the highest mean validation accuracy, {100 * means.max():.2f} % ({listed})."],
        metrics={"chosen_alpha": chosen}
        | {f"validation_accuracy/{alpha:g}": float(mean) for alpha, mean in means.items()},
        chosen=chosen,
        results=[
            AlphaResult(float(alpha), float(level), describe(group["validation_accuracy"].tolist()))
            for (alpha, level), group in table.groupby(["alpha", "level"])
        ],
    )


def draw(summary: AlphaSummary) -> Figure:
    """Validation accuracy over alpha, a line per level; the chosen alpha is marked."""
    figure, (axes,) = panels(1, "alpha sweep: validation accuracy after fine-tuning", (7.5, 4.2))
    for index, level in enumerate(sorted({result.level for result in summary.results})):
        results = [result for result in summary.results if result.level == level]
        draw_intervals(
            axes,
            [result.alpha for result in results],
            [result.validation_accuracy for result in results],
            label=f"sparsity {100 * level:g} %",
            **LOOKS[index % len(LOOKS)],
        )
    axes.axvline(summary.chosen, color="black", linestyle=":", label=f"chosen: {summary.chosen:g}")
    axes.set_xlabel("alpha (0: magnitude alone)")
    axes.set_ylabel("validation accuracy (%)")
    axes.legend(frameon=False)
    return figure


REPORT = StudyReport("The exponent alpha", summarize, (Drawing("alpha", CAPTION, draw),))
