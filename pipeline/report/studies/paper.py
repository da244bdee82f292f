"""The study `paper`: the same dense nets under the rules of the paper author's code and under ours."""

from math import nan
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from ruamel.yaml import YAML

from pipeline.io.nets import metric_name
from pipeline.report.statistics import as_family, over_seeds, paired_difference
from pipeline.report.studies import Context, StudyReport, StudySummary
from pipeline.report.style import Drawing, draw_intervals, look, panels
from pipeline.report.words import percent

CAPTION = (
    "The same nets, left under the rules of the paper author's code (hollow: the author's published results), "
    "right under one budget for all: the order of the methods depends on the rules."
)
PUBLISHED = YAML(typ="safe").load(Path(__file__).with_name("published.yaml"))
RIVALS = ("cqp", "magnitude")


def with_fair_rows(table: pd.DataFrame, evaluated: pd.DataFrame) -> pd.DataFrame:
    """The study's rows (protocol `paper`), then the nets of the prune stages at the same levels (protocol `fair`)."""
    same = evaluated["method"].isin(table["method"]) & evaluated["level"].isin(table["level"])
    fair = evaluated[same].assign(protocol="fair", network_sparsity=evaluated["sparsity"])
    return pd.concat([table, fair[[column for column in table if column in fair]]], ignore_index=True)


def summarize(table: pd.DataFrame, context: Context) -> StudySummary:
    """Per protocol, method and level, beside the published values of the dataset; CQP's margins over magnitude,
    corrected as one family of tests."""
    rows = with_fair_rows(table, context.evaluated).sort_values("seed", kind="stable")
    keys = ["protocol", "method", "level"]
    results = over_seeds(rows, keys, ["sparsity", "network_sparsity", "accuracy"])
    for name, published in PUBLISHED.items():
        values = published.get(context.dataset, {})
        results[name] = [
            values.get(one.level, {}).get(one.method, nan) / 100 if one.protocol == "paper" else nan
            for one in results.itertuples()
        ]
    both = rows.groupby(["protocol", "level"], sort=False).filter(lambda group: set(RIVALS) <= set(group["method"]))
    margins = over_seeds(
        both,
        ["protocol", "level"],
        margin_points=lambda rows: paired_difference(
            *(100 * rows.loc[rows["method"] == method, "accuracy"] for method in RIVALS)
        ),
    )
    margins["margin_points"] = as_family(margins["margin_points"])
    return StudySummary(
        [_finding(margin, results) for margin in margins.itertuples()],
        {
            f"{one.protocol}_accuracy/{metric_name(one.method, one.level)}": one.accuracy.mean
            for one in results.itertuples()
        },
        results,
        more={"dataset": context.dataset, "margins": margins},
    )


def draw(summary: StudySummary) -> Figure:
    """Test accuracy over sparsity: protocol `paper` (left, hollow: the author's notebooks) and `fair` (right)."""
    title, labels = "the same dense nets under both protocols", ("test accuracy (%)", "")
    figure, sides = panels(title, (10, 4.4), *labels, x="sparsity (%)", share_y=True)
    titles = {"paper": "paper: first layer only, unequal budgets", "fair": "fair: all layers, one budget"}
    levels = sorted(set(summary.results["level"]))
    for axes, (protocol, rules) in zip(sides, titles.items(), strict=True):
        mine = summary.results[summary.results["protocol"] == protocol]
        for method, rows in mine.groupby("method", sort=False):
            draw_intervals(axes, 100 * rows["level"], rows["accuracy"], label=method, **look(method))
            published = rows.dropna(subset="notebook")
            if len(published):
                hollow = look(method) | {"markersize": 9, "linestyle": "none", "markerfacecolor": "none"}
                label = f"{method}, the author's notebook"
                axes.plot(100 * published["level"], 100 * published["notebook"], label=label, **hollow)
        axes.set_title(rules)
        axes.set_xticks([100 * level for level in levels])
        if len(mine):
            axes.legend(frameon=False, fontsize=8)
    return figure


def _finding(margin: Any, results: pd.DataFrame) -> str:
    """One line: the margin with its interval, both accuracies, and the published ones where there are any."""
    cells = []
    same = (results["protocol"] == margin.protocol) & (results["level"] == margin.level)
    for one in results[same & results["method"].isin(RIVALS)].itertuples():
        found = ", ".join(
            f"{100 * value:.1f} in the {source}" for source in PUBLISHED if pd.notna(value := getattr(one, source))
        )
        cells.append(f"{one.method} {100 * one.accuracy.mean:.2f} %{f' [{found}]' if found else ''}")
    return (
        f"Protocol {margin.protocol} at {percent(margin.level)}: {', '.join(cells)}; CQP over magnitude "
        f"{margin.margin_points.tested_text(1, ' points')}."
    )


REPORT = StudyReport("The paper's own rules", summarize, (Drawing("paper", CAPTION, draw),))
