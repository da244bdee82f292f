"""The comparison for a terminal: methods down, levels across, in 80 columns."""

import textwrap
from typing import Any

from pipeline.io.paths import compare_folder
from pipeline.report.comparison.summary import Comparison, is_rival
from pipeline.report.comparison.tables import best_text, seeds_text
from pipeline.report.words import percent

WIDTH = 80
METHOD = "method"
GAP = 2  # columns between two cells


def render_text(summary: Comparison, width: int = WIDTH) -> str:
    """Test accuracy of every method at as many levels as fit into `width` columns, the highest ones first; below, what
    the sign says, how many methods and levels differ from the baseline, the best at the highest level, and what is not
    shown."""
    found = {(one.method, one.level): _cell(one) for one in summary.results.itertuples()}
    methods = list(summary.by_method)
    sizes = {
        level: GAP + max(map(len, [percent(level), *(found[method, level] for method in methods)]))
        for level in summary.levels
    }
    names = max(map(len, [METHOD, *methods]))
    shown: list[float] = []
    for level in reversed(summary.levels):
        if shown and names + sizes[level] + sum(sizes[one] for one in shown) > width:
            break
        shown.insert(0, level)
    rows = [[METHOD, *(f"{percent(level)} " for level in shown)]]  # the sign has a column
    rows += [[method, *(found[method, level] for level in shown)] for method in methods]
    lines = [
        (row[0].ljust(names) + "".join(cell.rjust(sizes[level]) for level, cell in zip(shown, row[1:], strict=True)))
        for row in rows
    ]
    about = f"test accuracy in %, {seeds_text(summary)}; the dense net has {summary.dense.text()}"
    head, *notes = (textwrap.fill(text, width) for text in (f"{summary.experiment}: {about}", *_notes(summary, shown)))
    return "\n\n".join([head, "\n".join(map(str.rstrip, lines)), "\n".join(notes)])


def _cell(result: Any) -> str:
    return result.accuracy.text() + (" " if is_rival(result) else "!")


def _notes(summary: Comparison, shown: list[float]) -> list[str]:
    margins = [margin for margin in summary.results["margin"].dropna() if margin.p is not None]
    notes = []
    if not all(map(is_rival, summary.results[summary.results["level"].isin(shown)].itertuples())):
        notes.append("! missed the sparsity, or emptied a layer, so it is compared with nothing (see the report).")
    if margins:
        differing = sum(margin.shown for margin in margins)
        notes.append(
            f"{differing or 'None'} of the {len(margins)} comparisons with {summary.baseline} "
            f"{'shows' if differing <= 1 else 'show'} a difference (paired over seeds, p < 0.05 after Holm's correction "
            "for all of them); the report has each with its interval."
        )
    notes.append(best_text(summary, summary.levels[-1]))
    if left := [percent(level) for level in summary.levels if level not in shown]:
        notes.append(f"Not shown for want of room: {', '.join(left)}; see {compare_folder(summary.experiment)}.")
    return notes
