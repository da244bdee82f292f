"""The comparison for a terminal: levels down, methods across, in 80 columns."""

import textwrap
from typing import Any

from pipeline.io.paths import compare_folder
from pipeline.report.comparison.summary import Comparison, is_rival
from pipeline.report.comparison.tables import best_text, seeds_text
from pipeline.report.words import percent

WIDTH = 80
LEVEL = "sparsity"


def render_text(summary: Comparison, width: int = WIDTH) -> str:
    """Test accuracy by level, of as many methods as fit into `width` columns, the baseline and the best at the highest
    level first, with a star at what differs from the baseline; below, what the signs say, that best, and what is not
    shown."""
    found = {(one.method, one.level): one for one in summary.results.itertuples()}
    columns = {method: [_cell(found[method, level]) for level in summary.levels] for method in summary.by_method}
    widths = {method: 2 + max(map(len, [method, *cells])) for method, cells in columns.items()}
    shown, left = [], width - len(LEVEL)
    best = summary.best(summary.levels[-1])
    kept = [summary.baseline, best and best.method]  # whatever else does not fit
    for method in sorted(columns, key=lambda method: kept.index(method) if method in kept else len(kept)):
        if not shown or widths[method] <= left:
            shown.append(method)
            left -= widths[method]
    shown.sort(key=list(columns).index)
    rows = zip([LEVEL, *map(percent, summary.levels)], *([one, *columns[one]] for one in shown), strict=True)
    sizes = [len(LEVEL), *(widths[method] for method in shown)]
    about = f"test accuracy in %, {seeds_text(summary)}; the dense net has {summary.dense.text()}"
    lines = ["".join(map(str.rjust, row, sizes)).rstrip() for row in rows]
    head, *notes = (textwrap.fill(text, width) for text in (f"{summary.experiment}: {about}", *_notes(summary, shown)))
    return "\n\n".join([head, "\n".join(lines), "\n".join(notes)])


def _cell(result: Any) -> str:
    sign = "!" if not is_rival(result) else result.margin.star if result.margin else ""
    return result.accuracy.text() + sign.ljust(1)


def _notes(summary: Comparison, shown: list[str]) -> list[str]:
    margins = summary.results["margin"].dropna()
    test = f"from {summary.baseline} (paired over seeds, p < 0.05, not corrected for the number of levels)"
    notes = []
    if any(margin.star for margin in margins):
        notes.append(f"* differs {test}; no difference was shown elsewhere.")
    elif len(margins):
        notes.append(f"No difference {test} was shown.")
    if not all(map(is_rival, summary.results[summary.results["method"].isin(shown)].itertuples())):
        notes.append("! missed the sparsity, or emptied a layer, so it is compared with nothing (see the report).")
    notes.append(best_text(summary, summary.levels[-1]))
    if left := [method for method in summary.by_method if method not in shown]:
        notes.append(f"Not shown for want of room: {', '.join(left)}; see {compare_folder(summary.experiment)}.")
    return notes
