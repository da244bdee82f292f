"""The table of a claim, from hand-made outcomes."""

from pipeline.report.claims.claims import Condition
from pipeline.report.claims.judge import Found, JudgedClaim
from pipeline.report.claims.table import claim_table


def test_a_condition_beside_the_papers_number() -> None:
    fair = Found(5, 1.5, 1.25, 1.75, "at 90 %", "holds", "larger")
    paper = Found(None, None, None, None, "no such study", "not measured", None)
    condition = Condition("steps left out", "steps", "at least", 1, fair, paper, threshold_of="ours")
    table = claim_table(JudgedClaim("id", "It is so.", "1 step", "reproduced", "so", {}, [condition], []))
    assert table.rows == [
        [
            "steps left out",
            "at least 1 step (our threshold)",
            "no number",
            "1.50 (1.25 to 1.75) steps\nholds, larger, at 90 %, 5 seeds",
            "not measured: no such study",
        ]
    ]
