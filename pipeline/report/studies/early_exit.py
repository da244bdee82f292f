"""The study `early_exit`: each sample stops as soon as its answer is clear."""

import pandas as pd
from matplotlib.figure import Figure

from pipeline.io.nets import metric_name, net_name
from pipeline.report.statistics import as_family, over_seeds, paired_difference
from pipeline.report.studies import Context, StudyReport, StudySummary, headline, metrics_of
from pipeline.report.style import Drawing, colours_of_nets, legend_below, milliseconds_axis, panels
from pipeline.report.words import milliseconds_text

CAPTION = "Each curve bends where further steps bring nothing. Crosses are test accuracy at the chosen threshold."


def summarize(table: pd.DataFrame, context: Context) -> StudySummary:
    """Per net on test at the threshold chosen on validation; sentences about the nets of `headline`.
    `difference` is its accuracy against all T steps, `curve` mean steps and accuracy on validation by threshold, and
    `milliseconds` what the steps last, where a step of the recordings has a duration."""
    rows = table.assign(at=table["threshold"], threshold=table["threshold"].where(table["chosen"]))
    results = over_seeds(
        rows.sort_values("seed", kind="stable"),
        ["method", "level"],
        ["threshold", "steps", "accuracy"],
        difference=lambda net: paired_difference(net["accuracy"].dropna(), net["whole_accuracy"].dropna()),
        curve=_curve,
    )
    results["difference"] = as_family(results["difference"])
    keys = ["steps", "accuracy"]
    if step_ms := context.step_ms:
        results["milliseconds"] = [steps.scaled(step_ms) for steps in results["steps"]]
        keys.append("milliseconds")
    findings = [
        f"{net_name(one.method, one.level)}: {one.steps.mean:.2f} steps on average"
        f"{f' ({milliseconds_text([one.steps.mean], step_ms)})' if step_ms else ''}, test accuracy "
        f"{100 * one.accuracy.mean:.2f} % ({one.difference.tested_text(unit=' points')})"
        for one in headline(results, context.best).itertuples()
    ]
    metrics = metrics_of(results, keys, lambda one: metric_name(one.method, one.level))
    return StudySummary(findings, metrics, results, more={"best": context.best, **context.duration})


def draw(summary: StudySummary) -> Figure:
    """Accuracy over mean steps, a curve a net of `headline`; crosses: test at the chosen threshold."""
    title, label = "early exit: accuracy against mean time steps", "accuracy (%): validation, crosses test"
    figure, (axes,) = panels(title, (7.5, 5.2), label, x="mean time steps of a sample")
    results = headline(summary.results, summary.more["best"])
    for one, colour in zip(results.itertuples(), colours_of_nets(list(results["method"])), strict=True):
        name = net_name(one.method, one.level)
        axes.plot(one.curve["steps"], 100 * one.curve["accuracy"], marker=".", color=colour, label=name)
        axes.plot(one.steps.mean, 100 * one.accuracy.mean, "x", markersize=9, color=colour)
    milliseconds_axis(axes, summary.more.get("step_ms"))
    legend_below(figure, axes, columns=4, size=8)
    return figure


def _curve(net: pd.DataFrame) -> pd.DataFrame:
    mean = net.groupby("at")[["validation_steps", "validation_accuracy"]].agg(lambda values: values.mean())
    return mean.reset_index().set_axis(["threshold", "steps", "accuracy"], axis="columns")


REPORT = StudyReport("Early exit", summarize, (Drawing("early_exit", CAPTION, draw),))
