"""The comparison for a terminal: levels down, methods across, in 80 columns."""

import textwrap
from typing import Any

from pipeline.io.paths import compare_folder
from pipeline.report.comparison.summary import BASELINE, Comparison
from pipeline.report.comparison.tables import seeds_text, sparsity_text

WIDTH = 80
LEVEL = "sparsity"


def render_text(summary: Comparison, width: int = WIDTH) -> str:
    """Test accuracy by level, of as many methods as fit into `width` columns, the baseline among them, with a star at
    what differs from it; below, what the stars say and what is not shown."""
    found = {(one.method, one.level): one for one in summary.results.itertuples()}
    columns = {method: [_cell(found[method, level]) for level in summary.levels] for method in summary.by_method}
    widths = {method: 2 + max(map(len, [method, *cells])) for method, cells in columns.items()}
    shown, left = [], width - len(LEVEL)
    for method in sorted(columns, key=lambda method: method != BASELINE):
        if not shown or widths[method] <= left:
            shown.append(method)
            left -= widths[method]
    heads = [LEVEL, *(f"{100 * level:g} %" for level in summary.levels)]
    rows = zip(heads, *([method, *columns[method]] for method in columns if method in shown), strict=True)
    sizes = [len(LEVEL), *(widths[method] for method in columns if method in shown)]
    lines = ["".join(map(str.rjust, row, sizes)).rstrip() for row in rows]
    about = (
        f"{summary.experiment}: test accuracy in %, mean ± 95 % interval over {seeds_text(summary)}; the dense net has "
        f"{summary.dense.text()}"
    )
    head, *notes = (textwrap.fill(text, width) for text in (about, *_notes(summary, shown)))
    return "\n\n".join([head, "\n".join(lines), *notes])


def _cell(result: Any) -> str:
    return result.accuracy.text() + (result.margin.star if result.margin else "").ljust(1)


def _notes(summary: Comparison, shown: list[str]) -> list[str]:
    compared = summary.results.dropna(subset="margin")
    stars = any(margin.star for margin in compared["margin"])
    test = f"{BASELINE} (paired over seeds, p < 0.05, not corrected for the number of levels)"
    notes = []
    if stars:
        notes.append(f"* differs from {test}; no difference was shown elsewhere.")
    elif len(compared):
        notes.append(f"No method differs from {test}.")
    for method, rows in summary.by_method.items():
        if method != BASELINE and method in shown and rows["margin"].isna().any():
            achieved = ", ".join(map(sparsity_text, rows.itertuples()))
            notes.append(f"{method} is not compared where it missed the sparsity; it achieved {achieved}.")
    if left := [method for method in summary.by_method if method not in shown]:
        notes.append(f"Not shown for want of room: {', '.join(left)}; see {compare_folder(summary.experiment)}.")
    return notes
