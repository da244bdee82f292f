"""The comparison for people: tables as Markdown and as cells for any other form, and what came out in sentences."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from pipeline.io.nets import net_name
from pipeline.report.comparison.energy_parts import PARTS
from pipeline.report.comparison.summary import Comparison
from pipeline.report.page.content import PageTable, table_of
from pipeline.report.statistics import p_text
from pipeline.report.words import has_missed, percent, sparsity_text

NOT_SHOWN = ' "No difference shown" is to {}, on test.'
BEST = "best by validation"
EQUAL_ENERGY = (
    "a constant input computed once, prices of 45 nm FP32 (the first profile), each seed linearly between the two "
    "neighbouring levels that enclose it"
)


def margin_text(result: Any) -> str:
    """`+0.37 ± 0.06 (p = 0.003)*` in points; empty without a margin."""
    return result.margin.tested_text() if result.margin else ""


def method_text(result: Any) -> str:
    """`cqp`; `membrane (empties a layer)`, which is no rival of any other."""
    return f"{result.method} (empties a layer)" if result.empty_layers else result.method


def table(summary: Comparison) -> PageTable:
    """The dense net, then a row per method and level; accuracies in percent, intervals are 95 % t-intervals over seeds.
    One-shot: pruned from the dense net in one step, not fine-tuned; compensated: with the weights that are left solved
    anew, which is left out where no net could be."""
    caption = (
        f"{summary.experiment}: {summary.synapses:,} synapses, protocol {summary.protocol}, {seeds_text(summary)}; "
        f"{_margins_are(summary)}"
    )
    columns: dict[str, Callable[[Any], str]] = {
        "method": method_text,
        "sparsity": lambda result: sparsity_text(result.level, result.sparsity.mean, summary.synapses),
        "test accuracy %": lambda result: result.accuracy.text(),
        f"margin over {summary.baseline}": margin_text,
        "one-shot sparsity": lambda result: sparsity_text(
            result.level, result.one_shot_sparsity.mean, summary.synapses
        ),
        "one-shot accuracy %": lambda result: result.one_shot_accuracy.text(),
        "compensated %": lambda result: result.one_shot_compensated.text() if result.one_shot_compensated else "",
    }
    if not summary.results["one_shot_compensated"].notna().any():
        del columns["compensated %"]
    if summary.baseline is None:
        del columns["margin over None"]
    found = table_of(caption, summary.results.itertuples(), columns)
    dense = ["dense", percent(0), summary.dense.text(), *[""] * (len(columns) - 3)]
    return replace(found, rows=[dense, *found.rows])


def seeds_text(summary: Comparison) -> str:
    """What accuracies are: of how many seeds, and with an interval if there are several."""
    count = len(summary.seeds)
    if count == 1:
        return "of one seed, so without an interval"
    of = " of fine-tuning one dense net (no variance of its training)" if summary.one_dense_net else ""
    return f"mean ± 95 % t-interval over {count} seeds{of}"


def by_level(summary: Comparison) -> list[PageTable]:
    """By method, a row each, and level test accuracy, in the last row the method that validation finds best; and the
    margins, if there are any. A method that missed a level has its own sparsity beside its accuracy."""

    def accuracy(result: Any) -> str:
        achieved = result.sparsity.mean
        missed = f" at {percent(achieved)}" if has_missed(result.level, achieved, summary.synapses) else ""
        return f"{result.accuracy.text()}{missed}{' (empty layer)' if result.empty_layers else ''}"

    accuracies = _by_method(
        summary,
        f"Test accuracy in % by method and sparsity, {seeds_text(summary)}; the dense net has {summary.dense.text()} "
        "%. A method that missed the sparsity, or emptied a layer, has that beside its accuracy and is no rival."
        f"{NOT_SHOWN.format(summary.baseline) if summary.baseline else ''}",
        list(summary.by_method),
        accuracy,
    )
    best = [BEST, *(_best(summary.best(level)) for level in summary.levels)]
    tables = [replace(accuracies, rows=[*accuracies.rows, best])]
    with_margin = [method for method, rows in summary.by_method.items() if rows["margin"].notna().any()]
    if summary.baseline and with_margin:
        caption = f"By method and sparsity: {_margins_are(summary)}."
        tables.append(_by_method(summary, caption, with_margin, lambda result: margin_text(result) or "-"))
    return tables


def one_shot(summary: Comparison) -> list[PageTable]:
    """By method and level test accuracy straight from the dense net, not fine-tuned: with the weights as they were, and
    solved anew, where some net could be."""
    masks = f"masks of one step from the dense net, not fine-tuned; {seeds_text(summary)}"
    plain = _by_method(
        summary,
        f"One-shot: test accuracy in % by method and sparsity, {masks}.",
        list(summary.by_method),
        lambda result: result.one_shot_accuracy.text(),
    )
    solved = [name for name, rows in summary.by_method.items() if rows["one_shot_compensated"].notna().any()]
    if not solved:
        return [plain]
    caption = f"One-shot, compensated: the same with the weights that are left solved anew, {masks}."
    return [plain, _by_method(summary, caption, solved, lambda result: result.one_shot_compensated.text())]


def at_equal_energy(summary: Comparison) -> list[PageTable]:
    """By method and share of the dense net's energy that is saved, test accuracy and the margins over the baseline;
    empty where no method reaches any of them."""
    rows = summary.equal_energy
    reached = rows.dropna(subset="accuracy") if len(rows) else rows
    if not len(reached):
        return []
    found = {(row.method, row.saving): row for row in rows.itertuples()}
    savings = sorted(set(rows["saving"]))

    def by_saving(caption: str, methods: Sequence[str], cell: Callable[[Any], str]) -> PageTable:
        columns: dict[str, Callable[[str], str]] = {"method": str}
        for saving in savings:
            columns[f"{percent(saving)} saved"] = lambda method, saving=saving: cell(found[method, saving])
        return table_of(caption, methods, columns)

    tables = [
        by_saving(
            f"At equal energy: test accuracy in % by method and saved share of the dense net's energy, {EQUAL_ENERGY}; "
            f"{seeds_text(summary)}. Empty where not every seed's nets reach it.",
            list(dict.fromkeys(reached["method"])),
            lambda row: row.accuracy.text() if row.accuracy else "",
        )
    ]
    if with_margin := list(dict.fromkeys(rows.loc[rows["margin"].notna(), "method"])):
        caption = f"At equal energy: {_margins_are(summary, rows)}."
        tables.append(by_saving(caption, with_margin, margin_text))
    return tables


def energy_parts_table(summary: Comparison) -> list[PageTable]:
    """By profile and net what its energy is spent on, in nJ of a sample."""
    if not len(summary.energy_parts):
        return []
    columns: dict[str, Callable[[Any], str]] = {
        "net": lambda row: net_name(row.method, row.level),
        "profile": lambda row: row.profile,
        **{label: lambda row, part=part: f"{getattr(row, part) / 1000:,.2f}" for part, label in PARTS.items()},
        "all": lambda row: f"{sum(getattr(row, part) for part in PARTS) / 1000:,.2f}",
    }
    caption = "Energy of a sample by its parts in nJ, means over seeds; a constant input is computed once."
    return [table_of(caption, summary.energy_parts.itertuples(), columns)]


def best_text(summary: Comparison, level: float) -> str:
    """Which method validation finds best at a level, its test accuracy, and whether it differs from the baseline."""
    best = summary.best(level)
    if best is None:
        return f"At {percent(level)} sparsity no method keeps what was asked in every layer."
    start = (
        f"At {percent(level)} sparsity the best by validation is {best.method}, with {best.accuracy.text()} % on test"
    )
    if summary.baseline is None:
        return f"{start}; there is no baseline to hold it against."
    if best.method == summary.baseline:
        return f"{start}; it is the baseline."
    if best.margin is None:
        return f"{start}; the baseline {summary.baseline} is no rival here."
    tested = "" if best.margin.corrected is None else f" (corrected {p_text(best.margin.corrected)})"
    end = "" if best.margin.shown else ": no difference shown"
    return f"{start}, {best.margin.text(sign='+')} points over {summary.baseline}{tested}{end}."


def render_markdown(summary: Comparison) -> str:
    """The tables by method, at equal sparsity and at equal energy, and one-shot, in Markdown."""
    return "\n".join(map(_markdown, [*by_level(summary), *at_equal_energy(summary), *one_shot(summary)]))


def _markdown(found: PageTable) -> str:
    """A table whose columns are aligned, so that it reads well in a terminal too."""
    widths = [max(map(len, column)) for column in zip(found.header, *found.rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [
        "| " + " | ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) + " |"
        for line in (found.header, rule, *found.rows)
    ]
    return f"{found.caption}\n\n" + "\n".join(lines) + "\n"


def _by_method(summary: Comparison, caption: str, methods: Sequence[str], cell: Callable[[Any], str]) -> PageTable:
    """A row per method and a column per level."""
    found = {(result.method, result.level): result for result in summary.results.itertuples()}
    columns: dict[str, Callable[[str], str]] = {"method": str}
    for level in summary.levels:
        columns[percent(level)] = lambda method, level=level: cell(found[method, level])
    return table_of(caption, methods, columns)


def _best(result: Any | None) -> str:
    if result is None:
        return "none"
    return f"{result.method}, no difference shown" if result.margin and not result.margin.shown else result.method


def _margins_are(summary: Comparison, rows: pd.DataFrame | None = None) -> str:
    if summary.baseline is None:
        return "no margins: there is no baseline (compare.baseline in params.yaml)"
    margins = (summary.results if rows is None else rows)["margin"].dropna()
    count = sum(margin.p is not None for margin in margins)
    tested = f"p corrected for all {count} of these comparisons (Holm)" if count > 1 else "p of one comparison"
    family = f"; {tested}, * p < 0.05" if count else ""
    return f"margin over {summary.baseline}: paired difference in points of test accuracy, 95 % intervals{family}"
