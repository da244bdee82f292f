"""The study `early_exit`: each sample stops as soon as its answer is clear."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from pipeline.io.nets import headline_methods, metric_name, net_name
from pipeline.report.statistics import Difference, Interval, describe, paired_difference
from pipeline.report.studies import Context, Drawing, StudyReport, StudySummary
from pipeline.report.style import colours_of_nets, legend_below, panels

CAPTION = "Each curve bends where further steps bring nothing. Crosses are test accuracy at the chosen threshold."


@dataclass(frozen=True)
class ExitPoint:
    """Mean steps of a sample and accuracy at a threshold, on validation."""

    threshold: float
    steps: float
    accuracy: float


@dataclass(frozen=True)
class ExitResult:
    """A net on test at the threshold chosen on validation; `difference` is its accuracy against all T steps."""

    method: str
    level: float
    threshold: Interval
    steps: Interval
    accuracy: Interval
    difference: Difference
    curve: list[ExitPoint]


@dataclass(frozen=True)
class ExitSummary(StudySummary):
    """A result per net."""

    results: list[ExitResult]


def summarize(table: pd.DataFrame, context: Context | None = None) -> ExitSummary:
    """Per net over seeds; sentences about the nets of `headline_methods`."""
    nets = table.groupby(["method", "level"], sort=False)
    results = [_result(str(method), float(level), group) for (method, level), group in nets]
    metrics: dict[str, float] = {}
    for result in results:
        name = metric_name(result.method, result.level)
        metrics |= {f"steps/{name}": result.steps.mean, f"accuracy/{name}": result.accuracy.mean}
    headline = headline_methods(result.method for result in results)
    findings = [
        f"{net_name(result.method, result.level)}: {result.steps.mean:.2f} steps on average, test accuracy "
        f"{100 * result.accuracy.mean:.2f} % ({100 * result.difference.mean:+.2f} points)"
        for result in results
        if result.method in headline
    ]
    return ExitSummary(findings, metrics, results)


def draw(summary: ExitSummary) -> Figure:
    """Accuracy over mean steps, a curve a net (dense, the first method); crosses: test at the chosen threshold."""
    figure, (axes,) = panels(1, "early exit: accuracy against mean time steps", (7.5, 5.2))
    headline = headline_methods(result.method for result in summary.results)
    results = [result for result in summary.results if result.method in headline]
    for result, colour in zip(results, colours_of_nets([result.method for result in results]), strict=True):
        axes.plot(
            [point.steps for point in result.curve],
            [100 * point.accuracy for point in result.curve],
            marker=".",
            color=colour,
            label=net_name(result.method, result.level),
        )
        axes.plot(result.steps.mean, 100 * result.accuracy.mean, "x", markersize=9, color=colour)
    axes.set_xlabel("mean time steps of a sample")
    axes.set_ylabel("accuracy (%): validation, crosses test")
    legend_below(figure, axes, columns=4, size=8)
    return figure


def _result(method: str, level: float, group: pd.DataFrame) -> ExitResult:
    chosen = group[group["chosen"]].sort_values("seed")
    return ExitResult(
        method=method,
        level=level,
        threshold=describe(chosen["threshold"].tolist()),
        steps=describe(chosen["steps"].tolist()),
        accuracy=describe(chosen["accuracy"].tolist()),
        difference=paired_difference(chosen["accuracy"].tolist(), chosen["whole_accuracy"].tolist()),
        curve=[
            ExitPoint(float(at), float(rows["validation_steps"].mean()), float(rows["validation_accuracy"].mean()))
            for at, rows in group.groupby("threshold")
        ],
    )


REPORT = StudyReport("Early exit", summarize, (Drawing("early_exit", CAPTION, draw),))
