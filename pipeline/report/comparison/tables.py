"""The comparison table for people: as text for the terminal, as Markdown, and as cells for any other form."""

import io
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pipeline.report.comparison.summary import Comparison

HEADER = [
    *("method", "level", "achieved sparsity", "test accuracy %", "margin over magnitude"),
    *("one-shot sparsity", "one-shot accuracy %"),
]


def cells(summary: Comparison) -> list[list[str]]:
    """One row of strings per method and level, under `HEADER`; intervals are 95 % t-intervals over seeds.

    One-shot: pruned from the dense net in one step, not fine-tuned.
    Accuracies are in percent and the margin is in percentage points.
    """
    return [["dense", "0", "0.00 %", summary.dense.text(), "", "", ""], *map(_row, summary.results.itertuples())]


def caption(summary: Comparison) -> str:
    """One line that says what the table shows."""
    return (
        f"{summary.experiment}: {summary.synapses:,} synapses, protocol {summary.protocol}, {seeds_text(summary)}, "
        "mean ± 95 % t-interval; margin: paired difference in points, * p < 0.05"
    )


def seeds_text(summary: Comparison) -> str:
    """`5 seeds`."""
    return f"{len(summary.seeds)} seed{'s' if len(summary.seeds) != 1 else ''}"


def margin_text(result: Any) -> str:
    """`+0.37 ± 0.06*` in points; empty without a margin."""
    return result.margin.text(sign="+") + result.margin.star if result.margin else ""


def render_text(summary: Comparison) -> str:
    """The table drawn for a terminal."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, title in enumerate(HEADER):
        table.add_column(title, justify="left" if index == 0 else "right", no_wrap=True)
    rows = cells(summary)
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        table.add_row(*row, end_section=following is not None and following[0] != row[0])
    stream = io.StringIO()
    Console(file=stream, width=140, color_system=None).print(table)
    return f"{caption(summary)}\n{stream.getvalue()}"


def render_markdown(summary: Comparison) -> str:
    """The table in Markdown."""
    lines = [HEADER, ["---"] + ["---:"] * (len(HEADER) - 1), *cells(summary)]
    return f"{caption(summary)}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _row(result: Any) -> list[str]:
    return [
        result.method,
        f"{result.level:g}",
        f"{100 * result.sparsity.mean:.2f} %",
        result.accuracy.text(),
        margin_text(result),
        f"{100 * result.one_shot_sparsity.mean:.2f} %",
        result.one_shot_accuracy.text(),
    ]
