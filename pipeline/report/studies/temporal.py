"""The study `temporal`: how many time steps are enough, by KL divergence and accuracy on validation."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from pipeline.io.nets import DENSE, headline_methods, metric_name, net_name
from pipeline.report.statistics import Difference, Interval, describe, paired_difference
from pipeline.report.studies import Context, Drawing, StudyReport, StudySummary
from pipeline.report.style import colours_of_nets, draw_intervals, legend_below, panels

CAPTION = "KL falls until the class distribution has settled. Dots mark T', where the net may stop."
SMALLEST_KL = 1e-6  # how a KL of 0 is drawn


@dataclass(frozen=True)
class TemporalResult:
    """A net's T' (`steps`), test accuracy at T and at T', the paired difference, and its curves over steps.

    `authors_*` are the same where the author's code would stop (`divergence.authors_steps`).
    """

    method: str
    level: float
    steps: Interval
    authors_steps: Interval
    authors_accuracy: Interval
    accuracy: Interval
    truncated_accuracy: Interval
    difference: Difference
    kl: list[float]
    kl_of_mean: list[float]
    validation_accuracy: list[Interval]


@dataclass(frozen=True)
class TemporalSummary(StudySummary):
    """A result per net; `timesteps` is T."""

    timesteps: int
    results: list[TemporalResult]

    @property
    def facts(self) -> list[tuple[str, str]]:
        """T' of the dense nets."""
        dense = next(result for result in self.results if result.method == DENSE)
        return [("T', chosen on validation", f"{dense.steps.mean:.1f} of {self.timesteps} steps for the dense nets")]


def summarize(table: pd.DataFrame, context: Context | None = None) -> TemporalSummary:
    """Per net over seeds; sentences about the nets of `headline_methods`."""
    nets = table.groupby(["method", "level"], sort=False)
    results = [_result(str(method), float(level), group) for (method, level), group in nets]
    timesteps = int(table["step"].max())
    metrics: dict[str, float] = {}
    for result in results:
        name = metric_name(result.method, result.level)
        for key in ("steps", "truncated_accuracy", "authors_steps", "authors_accuracy"):
            metrics[f"{key}/{name}"] = getattr(result, key).mean
    headline = headline_methods(result.method for result in results)
    findings = [_finding(result, timesteps) for result in results if result.method in headline]
    return TemporalSummary(findings, metrics, timesteps, results)


def draw(summary: TemporalSummary) -> Figure:
    """KL_t (left, without T, where it is 0) and validation accuracy over steps; dots mark the mean T'.

    Only the nets of `headline_methods`.
    """
    figure, (left, right) = panels(2, "how many time steps are enough?", (11, 4.6))
    headline = headline_methods(result.method for result in summary.results)
    results = [result for result in summary.results if result.method in headline]
    steps = range(1, summary.timesteps + 1)
    for result, colour in zip(results, colours_of_nets([result.method for result in results]), strict=True):
        name = net_name(result.method, result.level)
        kl = [max(value, SMALLEST_KL) for value in result.kl[:-1]]
        left.plot(steps[:-1], kl, color=colour, label=name)
        draw_intervals(right, steps, result.validation_accuracy, color=colour, capsize=2, label=name)
        at = round(result.steps.mean)
        if at < summary.timesteps:
            left.plot(at, kl[at - 1], "o", color=colour)
        right.plot(at, 100 * result.validation_accuracy[at - 1].mean, "o", color=colour)
    left.set_yscale("log")
    left.set_ylabel("KL_t (nats)")
    right.set_ylabel("validation accuracy (%)")
    for axes in (left, right):
        axes.set_xlabel("time step t")
    legend_below(figure, left, columns=5, size=8)
    return figure


def _result(method: str, level: float, group: pd.DataFrame) -> TemporalResult:
    seeds = [rows.sort_values("step") for _, rows in group.groupby("seed")]
    chosen = [rows[rows["chosen"]].iloc[0] for rows in seeds]
    authors = [rows[rows["authors"]].iloc[0] for rows in seeds]
    truncated = [float(row["accuracy"]) for row in chosen]
    whole = [float(rows["accuracy"].iloc[-1]) for rows in seeds]
    by_step = [rows for _, rows in group.groupby("step")]
    return TemporalResult(
        method=method,
        level=level,
        steps=describe([int(row["step"]) for row in chosen]),
        authors_steps=describe([int(row["step"]) for row in authors]),
        authors_accuracy=describe([float(row["accuracy"]) for row in authors]),
        accuracy=describe(whole),
        truncated_accuracy=describe(truncated),
        difference=paired_difference(truncated, whole),
        kl=[float(rows["kl"].mean()) for rows in by_step],
        kl_of_mean=[float(rows["kl_of_mean"].mean()) for rows in by_step],
        validation_accuracy=[describe(rows["validation_accuracy"].tolist()) for rows in by_step],
    )


def _finding(result: TemporalResult, timesteps: int) -> str:
    steps = result.steps.mean
    enough = "no step is redundant" if steps == timesteps else f"{steps:.1f} of {timesteps} steps are enough"
    return (
        f"{net_name(result.method, result.level)}: {enough}; test accuracy {100 * result.accuracy.mean:.2f} -> "
        f"{100 * result.truncated_accuracy.mean:.2f} % ({result.difference.text(sign='+')} points); by the author's "
        f"rule {result.authors_steps.mean:.1f} steps, {100 * result.authors_accuracy.mean:.2f} %"
    )


REPORT = StudyReport("KL over time", summarize, (Drawing("temporal", CAPTION, draw),))
