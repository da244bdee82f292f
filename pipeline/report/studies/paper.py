"""The study `paper`: the same dense nets under the rules of the paper author's code and under ours."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from pipeline.io.nets import metric_name
from pipeline.report.statistics import Difference, Interval, describe, paired_difference
from pipeline.report.studies import Context, Drawing, StudyReport, StudySummary
from pipeline.report.style import draw_intervals, look, panels

CAPTION = (
    "The same nets, left under the rules of the paper author's code (hollow: the author's published results), "
    "right under one budget for all: the order of the methods depends on the rules."
)
# Test accuracy in %: dataset -> level -> method, from the author's public notebooks (Hamza-Faarooq/Pruning-with-SNNs,
# May 2026), and the abstract of arXiv 2606.30676.
NOTEBOOKS: dict[str, dict[float, dict[str, float]]] = {
    "mnist": {
        0.7: {"random": 90.7, "magnitude": 98.0, "gradient": 91.6, "cqp": 95.3},
        0.8: {"random": 65.6, "magnitude": 97.0, "gradient": 62.5, "cqp": 90.6},
        0.9: {"random": 26.8, "magnitude": 91.8, "gradient": 42.5, "cqp": 73.5},
    },
    "fashion_mnist": {
        0.7: {"random": 69.6, "magnitude": 86.8, "gradient": 46.4, "cqp": 84.5},
        0.8: {"random": 58.9, "magnitude": 81.9, "gradient": 30.1, "cqp": 79.9},
        0.9: {"random": 26.6, "magnitude": 63.0, "gradient": 14.6, "cqp": 77.7},
    },
}
ABSTRACT: dict[str, dict[float, dict[str, float]]] = {"mnist": {0.9: {"cqp": 95.6, "magnitude": 93.4}}}
RIVALS = ("cqp", "magnitude")


@dataclass(frozen=True)
class PaperResult:
    """A method at a level under a protocol; `notebook` and `abstract` are the published accuracies, where there are."""

    protocol: str
    method: str
    level: float
    sparsity: Interval
    network_sparsity: Interval
    accuracy: Interval
    notebook: float | None
    abstract: float | None


@dataclass(frozen=True)
class Margin:
    """CQP's test accuracy minus magnitude's, in points."""

    protocol: str
    level: float
    margin_points: Difference


@dataclass(frozen=True)
class PaperSummary(StudySummary):
    """A result per protocol, method and level, and the margins of CQP over magnitude."""

    dataset: str
    margins: list[Margin]
    results: list[PaperResult]


def with_fair_rows(table: pd.DataFrame, evaluated: pd.DataFrame) -> pd.DataFrame:
    """The study's rows (protocol `paper`), then the nets of the prune stages at the same levels (protocol `fair`)."""
    same = evaluated["method"].isin(table["method"]) & evaluated["level"].isin(table["level"])
    fair = evaluated[same].assign(protocol="fair", network_sparsity=evaluated["sparsity"])
    return pd.concat([table, fair[[column for column in table if column in fair]]], ignore_index=True)


def summarize(table: pd.DataFrame, context: Context) -> PaperSummary:
    """Both protocols over seeds, beside the published values of the dataset."""
    rows = with_fair_rows(table, context.evaluated)
    groups = rows.groupby(["protocol", "method", "level"], sort=False)
    results = [_result(*map(str, key[:2]), float(key[2]), group, context.dataset) for key, group in groups]
    margins = [
        Margin(str(protocol), float(level), _margin(group))
        for (protocol, level), group in rows.groupby(["protocol", "level"], sort=False)
        if set(RIVALS) <= set(group["method"])
    ]
    return PaperSummary(
        findings=[_finding(margin, results) for margin in margins],
        metrics={
            f"{result.protocol}_accuracy/{metric_name(result.method, result.level)}": result.accuracy.mean
            for result in results
        },
        dataset=context.dataset,
        margins=margins,
        results=results,
    )


def draw(summary: PaperSummary) -> Figure:
    """Test accuracy over sparsity: protocol `paper` (left, hollow: the author's notebooks) and `fair` (right)."""
    figure, sides = panels(2, "the same dense nets under both protocols", (10, 4.4), share_y=True)
    titles = {"paper": "paper: first layer only, unequal budgets", "fair": "fair: all layers, one budget"}
    for axes, (protocol, title) in zip(sides, titles.items(), strict=True):
        mine = [result for result in summary.results if result.protocol == protocol]
        for method in dict.fromkeys(result.method for result in mine):
            results = [result for result in mine if result.method == method]
            levels = [100 * result.level for result in results]
            draw_intervals(axes, levels, [result.accuracy for result in results], label=method, **look(method))
            published = [(100 * r.level, 100 * r.notebook) for r in results if r.notebook is not None]
            if published:
                axes.plot(
                    *zip(*published, strict=True),
                    label=f"{method}, the author's notebook",
                    markerfacecolor="none",
                    **look(method) | {"markersize": 9, "linestyle": "none"},
                )
        axes.set_title(title)
        axes.set_xticks([100 * level for level in sorted({result.level for result in summary.results})])
        axes.set_xlabel("sparsity (%)")
        if mine:
            axes.legend(frameon=False, fontsize=8)
    sides[0].set_ylabel("test accuracy (%)")
    return figure


def _result(protocol: str, method: str, level: float, group: pd.DataFrame, dataset: str) -> PaperResult:
    published = (source.get(dataset, {}).get(level, {}).get(method) for source in (NOTEBOOKS, ABSTRACT))
    notebook, abstract = (None if value is None or protocol != "paper" else value / 100 for value in published)
    described = {key: describe(group[key].tolist()) for key in ("sparsity", "network_sparsity", "accuracy")}
    return PaperResult(protocol, method, level, **described, notebook=notebook, abstract=abstract)


def _margin(group: pd.DataFrame) -> Difference:
    ours, theirs = (group[group["method"] == method].sort_values("seed")["accuracy"] for method in RIVALS)
    return paired_difference((100 * ours).tolist(), (100 * theirs).tolist())


def _finding(margin: Margin, results: list[PaperResult]) -> str:
    """One line: the margin with its interval, both accuracies, and the published ones where there are any."""
    points = margin.margin_points
    interval = "" if points.low is None else f" ({points.low:+.2f} to {points.high:+.2f})"
    cells = []
    for result in results:
        if (result.protocol, result.level) == (margin.protocol, margin.level) and result.method in RIVALS:
            sources = {"notebook": result.notebook, "abstract": result.abstract}
            published = ", ".join(f"{100 * value:.1f} in the {source}" for source, value in sources.items() if value)
            cells.append(f"{result.method} {100 * result.accuracy.mean:.2f} %{f' [{published}]' if published else ''}")
    return (
        f"Protocol {margin.protocol} at {100 * margin.level:g} %: {', '.join(cells)}; CQP over magnitude "
        f"{points.mean:+.2f} points{interval}."
    )


REPORT = StudyReport("The paper's own rules", summarize, (Drawing("paper", CAPTION, draw),))
