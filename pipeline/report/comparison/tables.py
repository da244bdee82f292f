"""The comparison table for people: as text for the terminal, as Markdown, and as cells for any other form."""

import io
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

HEADER = [
    "method",
    "level",
    "achieved sparsity",
    "test accuracy %",
    "margin over magnitude",
    "one-shot sparsity",
    "one-shot accuracy %",
]


def cells(summary: dict[str, Any]) -> list[list[str]]:
    """One row of strings per method and level, under `HEADER`; intervals are 95 % t-intervals over seeds.

    One-shot: pruned from the dense net in one step, not fine-tuned.
    Accuracies are in percent and the margin is in percentage points.
    """
    dense = ["dense", "0", "0.00 %", with_interval(summary["dense"]), "", "", ""]
    return [dense, *(_row(result) for result in summary["results"])]


def caption(summary: dict[str, Any]) -> str:
    """One line that says what the table shows."""
    seeds = len(summary["seeds"])
    return (
        f"{summary['experiment']}: {summary['synapses']:,} synapses, protocol {summary['protocol']}, {seeds} "
        f"seed{'s' if seeds != 1 else ''}, mean ± 95 % t-interval; margin: paired difference in points, * p < 0.05"
    )


def render_text(summary: dict[str, Any]) -> str:
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


def render_markdown(summary: dict[str, Any]) -> str:
    """The table in Markdown."""
    lines = [HEADER, ["---"] + ["---:"] * (len(HEADER) - 1), *cells(summary)]
    return f"{caption(summary)}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def with_interval(figures: dict[str, Any], scale: float = 100, sign: str = "") -> str:
    """`mean ± half-width`, both times `scale`; the mean alone when the spread is unknown."""
    mean = f"{figures['mean'] * scale:{sign}.2f}"
    if figures["low"] is None:
        return mean
    return f"{mean} ± {(figures['high'] - figures['mean']) * scale:.2f}"


def _row(result: dict[str, Any]) -> list[str]:
    margin = result["margin"]
    star = "*" if margin and margin["p"] is not None and margin["p"] < 0.05 else ""
    return [
        result["method"],
        f"{result['level']:g}",
        _percent(result["sparsity"]["mean"]),
        with_interval(result["accuracy"]),
        with_interval(margin, sign="+") + star if margin else "",
        _percent(result["one_shot_sparsity"]["mean"]),
        with_interval(result["one_shot_accuracy"]),
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
