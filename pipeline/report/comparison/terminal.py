"""The comparison for a terminal: methods down, levels across, in 80 columns."""

import textwrap
from collections.abc import Mapping, Sequence
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
    cells = {(one.method, one.level): _cell(one) for one in summary.results.itertuples()}
    lines, shown = _lines(cells, list(summary.by_method), summary.levels, width)
    about = f"test accuracy in %, {seeds_text(summary)}; the dense net has {summary.dense.text()}"
    head, *notes = (textwrap.fill(text, width) for text in (f"{summary.experiment}: {about}", *_notes(summary, shown)))
    return "\n\n".join([head, lines, *_equal_energy(summary, width), "\n".join(notes)])


def _lines(
    cells: Mapping[tuple[str, float], str], methods: Sequence[str], shares: Sequence[float], width: int
) -> tuple[str, list[float]]:
    """A line per method, with as many of the shares (levels, savings) as fit, and which those are."""
    sizes = {
        share: GAP + max(map(len, [f"{percent(share)} ", *(cells[method, share] for method in methods)]))
        for share in shares
    }
    names = max(map(len, [METHOD, *methods]))
    shown: list[float] = []
    for share in reversed(shares):
        if shown and names + sizes[share] + sum(sizes[one] for one in shown) > width:
            break
        shown.insert(0, share)
    rows = [[METHOD, *(f"{percent(share)} " for share in shown)]]  # the sign has a column
    rows += [[method, *(cells[method, share] for share in shown)] for method in methods]
    lines = (
        row[0].ljust(names) + "".join(cell.rjust(sizes[share]) for share, cell in zip(shown, row[1:], strict=True))
        for row in rows
    )
    return "\n".join(map(str.rstrip, lines)), shown


def _equal_energy(summary: Comparison, width: int) -> list[str]:
    """The same at equal energy, under a line that says so; nothing where no method reaches any saving."""
    rows = summary.equal_energy
    reached = rows.dropna(subset="accuracy") if len(rows) else rows
    if not len(reached):
        return []
    cells = {(row.method, row.saving): f"{row.accuracy.text()} " if row.accuracy else "" for row in rows.itertuples()}
    lines, _ = _lines(cells, list(dict.fromkeys(reached["method"])), sorted(set(reached["saving"])), width)
    head = "The same where a method saves these shares of the dense net's energy (45 nm FP32, the input once):"
    return [textwrap.fill(head, width), lines]


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
            f"{'shows' if differing <= 1 else 'show'} a difference (paired over seeds, p < 0.05 after Holm's "
            "correction for all of them); the report has each with its interval."
        )
    notes.append(best_text(summary, summary.levels[-1]))
    if left := [percent(level) for level in summary.levels if level not in shown]:
        notes.append(f"Not shown for want of room: {', '.join(left)}; see {compare_folder(summary.experiment)}.")
    return notes
