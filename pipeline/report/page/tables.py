"""The page's tables as strings: the comparison by level, and what was measured for a claim."""

from typing import Any

from pipeline.report.claims.claims import Condition
from pipeline.report.claims.judge import Found, JudgedClaim, found_text
from pipeline.report.comparison.summary import Comparison
from pipeline.report.comparison.tables import margin_text, seeds_text
from pipeline.report.page.content import PageTable

MISSED = 5e-5  # an achieved sparsity further than this from its level is listed


def by_level(summary: Comparison) -> PageTable:
    """Test accuracy by level and method, CQP's margins, and the achieved sparsity of methods that missed theirs."""
    found = {(result.method, result.level): result for result in summary.results.itertuples()}
    methods = list(summary.by_method)
    margins = ["cqp"] if any(method == "cqp" and result.margin for (method, _), result in found.items()) else []
    missing = [method for method in methods if any(_missed(found[method, level]) for level in summary.levels)]
    rows = [
        [
            f"{100 * level:g} %",
            *(found[method, level].accuracy.text() for method in methods),
            *(margin_text(found[method, level]) for method in margins),
            *(f"{100 * found[method, level].sparsity.mean:.2f} %" for method in missing),
        ]
        for level in summary.levels
    ]
    return PageTable(
        f"Test accuracy in % by sparsity and method, mean ± 95 % t-interval over {seeds_text(summary)}; the dense net "
        f"has {summary.dense.text()} %. Margins are paired differences in points, * p < 0.05, not corrected for the "
        "number of levels.",
        [
            "sparsity",
            *methods,
            *(f"{method} over magnitude" for method in margins),
            *(f"{method}, achieved" for method in missing),
        ],
        rows,
    )


def claim_table(claim: JudgedClaim) -> PageTable:
    """A claim's conditions, one a row."""
    return PageTable(
        f"What must hold for the claim, as measured: mean, 95 % interval and outcome ({claim.id}).",
        ["quantity", "claimed", "the paper", "protocol fair", "protocol paper"],
        [_condition(condition) for condition in claim.conditions],
    )


def _condition(condition: Condition[Found]) -> list[str]:
    ours = " (our threshold)" if condition.threshold_of == "ours" else ""
    stated = condition.paper_value
    return [
        condition.quantity,
        f"{condition.side} {_with_unit(condition.threshold, condition.unit)}{ours}",
        "no number" if stated is None else _with_unit(stated, condition.unit),
        *(_found(found, condition.unit) for found in (condition.fair, condition.paper)),
    ]


def _found(found: Found, unit: str) -> str:
    if found.mean is None:
        return f"not measured: {found.where}"
    notes = [found.outcome, *filter(None, (found.size, found.where)), f"{found.n} seeds"]
    return f"{found_text(found, unit)}\n{', '.join(notes)}"


def _with_unit(value: float, unit: str) -> str:
    return f"{value:g} {unit.removesuffix('s') if value == 1 else unit}"


def _missed(result: Any) -> bool:
    off = abs(result.sparsity.mean - result.level) > MISSED
    return off and any(count != result.keep for count in result.nnz)
