"""What was measured for a claim, as a table of the page."""

from pipeline.report.claims.judge import Found, JudgedClaim, found_text
from pipeline.report.page.content import PageTable, table_of


def claim_table(claim: JudgedClaim) -> PageTable:
    """A claim's conditions, one a row."""
    return table_of(
        f"What must hold for the claim, as measured: mean, 95 % interval and outcome ({claim.id}).",
        claim.conditions,
        {
            "quantity": lambda one: one.quantity,
            "claimed": lambda one: (
                f"{one.side} {_with_unit(one.threshold, one.unit)}"
                + (" (our threshold)" if one.threshold_of == "ours" else "")
            ),
            "the paper": lambda one: "no number" if one.paper_value is None else _with_unit(one.paper_value, one.unit),
            "protocol fair": lambda one: _found(one.fair, one.unit),
            "protocol paper": lambda one: _found(one.paper, one.unit),
        },
    )


def _found(found: Found, unit: str) -> str:
    if found.mean is None:
        return f"not measured: {found.where}"
    notes = [
        found.outcome,
        *filter(None, (found.size, found.where)),
        f"{found.n} seeds",
        *filter(None, [found.every_step]),
    ]
    return f"{found_text(found, unit)}\n{', '.join(notes)}"


def _with_unit(value: float, unit: str) -> str:
    return f"{value:g} {unit.removesuffix('s') if value == 1 else unit}"
