"""The page's tables from hand-made results."""

from dataclasses import replace

from pipeline.report.page.tables import by_level, claim_table

from pipeline.report.claims.judge import Found, JudgedClaim, JudgedCondition
from pipeline.report.comparison.summary import Comparison, Result
from pipeline.report.statistics import describe, paired_difference


def result(method: str, level: float, accuracies: list[float], achieved: float | None = None) -> Result:
    sparsity = describe([level if achieved is None else achieved] * len(accuracies))
    margin = paired_difference([a + 0.01 * i for i, a in enumerate(accuracies)], [0.5] * len(accuracies))
    return Result(
        method=method,
        level=level,
        keep=100,
        nnz=[100 if achieved is None else 90],
        sparsity=sparsity,
        accuracy_before=sparsity,
        accuracy=describe(accuracies),
        one_shot_sparsity=sparsity,
        one_shot_accuracy=sparsity,
        margin=None if method == "magnitude" else margin,
    )


def test_a_row_per_level_and_columns_for_what_there_is() -> None:
    results = [
        *(result("cqp", level, [0.9, 0.92]) for level in (0.9, 0.5)),
        *(result("magnitude", level, [0.8, 0.82]) for level in (0.9, 0.5)),
        result("osqp", 0.9, [0.7, 0.7], achieved=0.93),
        result("osqp", 0.5, [0.7, 0.7]),
    ]
    summary = Comparison("made", "fair", [0, 1], 200, describe([0.98, 0.98]), results)
    table = by_level(summary)
    assert table.header == ["sparsity", "cqp", "magnitude", "osqp", "cqp over magnitude", "osqp, achieved"]
    assert [row[0] for row in table.rows] == ["50 %", "90 %"]
    assert table.rows[1][1] == "91.00 ± 12.71"
    assert table.rows[1][-1] == "93.00 %"
    assert "2 seeds; the dense net has 98.00 ± 0.00 %" in table.caption
    alone = replace(summary, seeds=[0], results=[replace(result("cqp", 0.9, [0.9]), margin=None)])
    assert (by_level(alone).header, by_level(alone).rows) == (["sparsity", "cqp"], [["90 %", "90.00"]])


def test_a_condition_beside_the_papers_number() -> None:
    fair = Found(5, 1.5, 1.25, 1.75, "at 90 %", "holds", "larger")
    paper = Found(None, None, None, None, "no such study", "not measured", None)
    condition = JudgedCondition("steps left out", "steps", "at least", 1, "ours", None, fair, paper)
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
