"""The comparison table for people: as Markdown, and as cells for any other form."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pipeline.report.comparison.summary import Comparison
from pipeline.report.page.content import PageTable, table_of

MISSED = 5e-5  # an achieved sparsity further than this from its level is listed


def margin_text(result: Any) -> str:
    """`+0.37 ± 0.06*` in points; empty without a margin."""
    return result.margin.text(sign="+") + result.margin.star if result.margin else ""


def sparsity_text(result: Any) -> str:
    """`91.50 %`, achieved."""
    return f"{100 * result.sparsity.mean:.2f} %"


COLUMNS: dict[str, Callable[[Any], str]] = {
    "method": lambda result: result.method,
    "level": lambda result: f"{result.level:g}",
    "achieved sparsity": sparsity_text,
    "test accuracy %": lambda result: result.accuracy.text(),
    "margin over magnitude": margin_text,
    "one-shot sparsity": lambda result: f"{100 * result.one_shot_sparsity.mean:.2f} %",
    "one-shot accuracy %": lambda result: result.one_shot_accuracy.text(),
}


def table(summary: Comparison) -> PageTable:
    """The dense net, then a row per method and level; accuracies in percent, intervals are 95 % t-intervals over seeds.
    One-shot: pruned from the dense net in one step, not fine-tuned."""
    caption = (
        f"{summary.experiment}: {summary.synapses:,} synapses, protocol {summary.protocol}, {seeds_text(summary)}, "
        "mean ± 95 % t-interval; margin: paired difference in points, * p < 0.05"
    )
    found = table_of(caption, summary.results.itertuples(), COLUMNS)
    return replace(found, rows=[["dense", "0", "0.00 %", summary.dense.text(), "", "", ""], *found.rows])


def seeds_text(summary: Comparison) -> str:
    """`5 seeds`."""
    return f"{len(summary.seeds)} seed{'s' if len(summary.seeds) != 1 else ''}"


def by_level(summary: Comparison) -> PageTable:
    """Test accuracy by level and method, CQP's margins, and the achieved sparsity of methods that missed theirs."""
    found = {(result.method, result.level): result for result in summary.results.itertuples()}
    columns: dict[str, Callable[[float], str]] = {"sparsity": lambda level: f"{100 * level:g} %"}
    for method in summary.by_method:
        columns[method] = lambda level, method=method: found[method, level].accuracy.text()
    if any(method == "cqp" and result.margin for (method, _), result in found.items()):
        columns["cqp over magnitude"] = lambda level: margin_text(found["cqp", level])
    for method in dict.fromkeys(method for (method, _), result in found.items() if _missed(result)):
        columns[f"{method}, achieved"] = lambda level, method=method: sparsity_text(found[method, level])
    return table_of(
        f"Test accuracy in % by sparsity and method, mean ± 95 % t-interval over {seeds_text(summary)}; the dense net "
        f"has {summary.dense.text()} %. Margins are paired differences in points, * p < 0.05, not corrected for the "
        "number of levels.",
        summary.levels,
        columns,
    )


def render_markdown(summary: Comparison) -> str:
    """The table in Markdown, its columns aligned, so that it reads well in a terminal too."""
    found = table(summary)
    widths = [max(map(len, column)) for column in zip(found.header, *found.rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [
        "| " + " | ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) + " |"
        for line in (found.header, rule, *found.rows)
    ]
    return f"{found.caption}\n\n" + "\n".join(lines) + "\n"


def _missed(result: Any) -> bool:
    off = abs(result.sparsity.mean - result.level) > MISSED
    return off and any(count != result.keep for count in result.nnz)
