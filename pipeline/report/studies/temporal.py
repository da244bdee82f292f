"""The study `temporal`: how many time steps are enough, by KL divergence and accuracy on validation."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from pipeline.io.nets import DENSE, metric_name, net_name
from pipeline.report.statistics import Interval, as_family, over_seeds, paired_difference
from pipeline.report.studies import Context, StudyReport, StudySummary, headline, metrics_of
from pipeline.report.style import (
    Drawing,
    colours_of_nets,
    draw_intervals,
    legend_below,
    milliseconds_axis,
    panels,
)
from pipeline.report.words import milliseconds_text, steps_text

CAPTION = "KL falls until the class distribution has settled. Dots mark T', where the net may stop."
SMALLEST_KL = 1e-6  # how a KL of 0 is drawn


def summarize(table: pd.DataFrame, context: Context) -> StudySummary:
    """Per net; sentences about the nets of `headline`. `steps` is T', chosen on validation,
    `truncated_accuracy` test accuracy there, `accuracy` that at T, `difference` the paired difference; `authors_*`
    where the author's code would stop (`divergence.authors_steps`); `*_each` are the seeds' own."""
    timesteps = int(table["step"].max())
    rows = table.sort_values(["seed", "step"], kind="stable").assign(
        steps=table["step"].where(table["chosen"]),
        authors_steps=table["step"].where(table["authors"]),
        authors_accuracy=table["accuracy"].where(table["authors"]),
        accuracy=table["accuracy"].where(table["step"] == timesteps),
        truncated_accuracy=table["accuracy"].where(table["chosen"]),
    )
    results = over_seeds(
        rows,
        ["method", "level"],
        ["steps", "authors_steps", "authors_accuracy", "accuracy", "truncated_accuracy"],
        steps_each=lambda net: net["steps"].dropna().tolist(),
        authors_steps_each=lambda net: net["authors_steps"].dropna().tolist(),
        difference=lambda net: paired_difference(net["truncated_accuracy"].dropna(), net["accuracy"].dropna()),
        kl=lambda net: [interval.mean for interval in _by_step(net, "kl")],
        kl_of_mean=lambda net: [interval.mean for interval in _by_step(net, "kl_of_mean")],
        validation_accuracy=lambda net: _by_step(net, "validation_accuracy"),
    )
    results["difference"] = as_family(results["difference"])
    keys = ("steps", "truncated_accuracy", "authors_steps", "authors_accuracy")
    dense = next(one for one in results.itertuples() if one.method == DENSE)
    return StudySummary(
        [_finding(one, timesteps, context.step_ms) for one in headline(results, context.best).itertuples()],
        metrics_of(results, keys, lambda one: metric_name(one.method, one.level)),
        results,
        more={"timesteps": timesteps, "best": context.best, **context.duration},
        facts=[("T', chosen on validation", f"{_steps(dense, timesteps, context.step_ms)} for the dense nets")],
    )


def draw(summary: StudySummary) -> Figure:
    """KL_t (left, without T, where it is 0) and validation accuracy over steps, of the nets of `headline`; dots
    mark the mean T'."""
    labels = ("KL_t (nats)", "validation accuracy (%)")
    figure, (left, right) = panels("how many time steps are enough?", (11, 4.6), *labels, x="time step t")
    results, timesteps = headline(summary.results, summary.more["best"]), summary.more["timesteps"]
    steps = range(1, timesteps + 1)
    for one, colour in zip(results.itertuples(), colours_of_nets(list(results["method"])), strict=True):
        name = net_name(one.method, one.level)
        kl = [max(value, SMALLEST_KL) for value in one.kl[:-1]]
        left.plot(steps[:-1], kl, color=colour, label=name)
        draw_intervals(right, steps, one.validation_accuracy, color=colour, capsize=2, label=name)
        at = round(one.steps.mean)
        if at < timesteps:
            left.plot(at, kl[at - 1], "o", color=colour)
        right.plot(at, 100 * one.validation_accuracy[at - 1].mean, "o", color=colour)
    left.set_yscale("log")
    for axes in (left, right):
        milliseconds_axis(axes, summary.more.get("step_ms"))
    legend_below(figure, left, columns=5, size=8)
    return figure


def _by_step(net: pd.DataFrame, column: str) -> list[Interval]:
    return list(over_seeds(net.sort_values("step", kind="stable"), ["step"], [column])[column])


def _steps(one: Any, timesteps: int, step_ms: float | None) -> str:
    """`8 to 9 of 10 steps`, and how long that is where a step has a duration."""
    lasting = ""
    if step_ms is not None:
        lasting = f" ({milliseconds_text(one.steps_each, step_ms)} of {milliseconds_text([timesteps], step_ms)})"
    return f"{steps_text(one.steps_each)} of {timesteps} steps{lasting}"


def _finding(one: Any, timesteps: int, step_ms: float | None) -> str:
    enough = "no step is redundant"
    if one.steps.mean < timesteps:
        enough = f"enough: {_steps(one, timesteps, step_ms)}"
    return (
        f"{net_name(one.method, one.level)}: {enough}; test accuracy {100 * one.accuracy.mean:.2f} -> "
        f"{100 * one.truncated_accuracy.mean:.2f} % ({one.difference.tested_text(unit=' points')}); by the author's "
        f"rule T' = {steps_text(one.authors_steps_each)}, {100 * one.authors_accuracy.mean:.2f} %"
    )


REPORT = StudyReport("KL over time", summarize, (Drawing("temporal", CAPTION, draw),))
