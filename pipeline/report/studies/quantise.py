"""The study `quantise`: what weights of 8 and 4 bits and neurons in whole numbers cost and save."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from pipeline.io.nets import metric_name, net_name
from pipeline.report.page.content import table_of
from pipeline.report.statistics import as_family, over_seeds, paired_difference
from pipeline.report.studies import Context, StudyReport, StudySummary, headline, metrics_of
from pipeline.report.style import Drawing, draw_intervals, legend_below, look_of_series, panels, sparsity_axis

CAPTION = (
    "What rounding costs at each sparsity (left, below zero is lost), and how many bytes are left (right). Dashed "
    "lines are fine-tuned with rounded weights."
)
TABLE_CAPTION = (
    "Integer networks against the float32 ones that they come from. Kilobytes: weights, with the bits of their indices "
    "or a bit mask or all of them, whichever is smallest, biases and thresholds. Energy: a constant input once, by the "
    "profile FP32 for 32 bits and INT8 for the others; it counts an addition as one of 8 bits, though sums have 32."
)
FLOAT = 32  # bits of the nets as they were
MEASURED = ("accuracy", "differing", "silent", "total_bytes", "energy_once_pj")
KEYS = ["method", "level", "bits", "finetuned"]


def summarize(table: pd.DataFrame, context: Context) -> StudySummary:
    """Per net, number of bits, and rounded or fine-tuned, with the scales chosen on validation; sentences and figure
    are about the nets of `headline`. `difference` is test accuracy against the float32 net of the same seed, all
    corrected as one family of tests, and
    `per_row` how many seeds have a scale of each row."""
    chosen = table[table["chosen"]].sort_values("seed", kind="stable")
    whole = chosen[chosen["bits"] == FLOAT].set_index(["method", "level", "seed"])["accuracy"]
    before = whole.loc[pd.MultiIndex.from_frame(chosen[["method", "level", "seed"]])]
    results = over_seeds(
        chosen.assign(before=before.to_numpy()),
        KEYS,
        MEASURED,
        difference=lambda net: paired_difference(net["accuracy"], net["before"]),
        per_row=lambda net: int((net["per"] == "row").sum()),
    )
    results["difference"] = as_family(results["difference"])
    shown = headline(results, context.best)
    columns = {
        "net": lambda one: net_name(one.method, one.level),
        "weights": _kind,
        "test accuracy (%)": lambda one: one.accuracy.text(),
        "difference (points)": lambda one: "" if one.bits == FLOAT else one.difference.tested_text(),
        "other decisions (%)": lambda one: one.differing.text(),
        "kilobytes": lambda one: one.total_bytes.text(1e-3),
        "silent neurons (%)": lambda one: one.silent.text(),
        "energy (nJ)": lambda one: one.energy_once_pj.text(1e-3),
    }
    return StudySummary(
        [_finding(one) for one in shown.itertuples() if one.bits != FLOAT],
        metrics_of(results, ("accuracy", "difference", "silent", "total_bytes", "energy_once_pj"), _metric),
        results,
        more={"best": context.best},
        page_tables=[table_of(TABLE_CAPTION, shown.itertuples(), columns)],
    )


def draw(summary: StudySummary) -> Figure:
    """Left: accuracy against the float32 net. Right: bytes."""
    labels = ("accuracy against float32 (points)", "weights and neurons (kB)")
    figure, (left, right) = panels("weights of few bits, neurons in whole numbers", (11, 4.6), *labels)
    shown = headline(summary.results, summary.more["best"])
    for index, (bits, nets) in enumerate(shown.groupby("bits", sort=False)):
        style = look_of_series(index)
        for is_tuned, kind in nets.groupby("finetuned"):
            options = {**style, "label": _kind(kind.iloc[0]), "linestyle": "--" if is_tuned else "-"}
            if bits != FLOAT:
                draw_intervals(left, 1 - kind["level"], [one.scaled(100) for one in kind["difference"]], 1, **options)
            draw_intervals(right, 1 - kind["level"], kind["total_bytes"], 1e-3, **options)
    left.axhline(0, color="black", linewidth=1)
    right.set_yscale("log")
    for axes in (left, right):
        sparsity_axis(axes, shown["level"])
    legend_below(figure, right, columns=5)
    return figure


def _kind(one: Any) -> str:
    """`float32`, `8 bits`, `4 bits, fine-tuned`."""
    return "float32" if one.bits == FLOAT else f"{one.bits} bits{', fine-tuned' if one.finetuned else ''}"


def _metric(one: Any) -> str:
    return f"{metric_name(one.method, one.level)}/{one.bits}_bits{'_finetuned' if one.finetuned else ''}"


def _finding(one: Any) -> str:
    return (
        f"{net_name(one.method, one.level)}, {_kind(one)}: test accuracy {one.accuracy.text()} % "
        f"({one.difference.tested_text(unit=' points')}), {one.total_bytes.mean / 1000:.1f} kB, "
        f"{100 * one.silent.mean:.1f} % of the neurons silent, {one.energy_once_pj.mean / 1000:.2f} nJ"
    )


REPORT = StudyReport("Few bits, whole numbers", summarize, (Drawing("quantise", CAPTION, draw),))
