"""The page's tables from hand-made results."""

from typing import Any

import pandas as pd

from pipeline.report.page.tables import by_level, of_cheapest, of_front, of_savings
from pipeline.report.statistics import describe, paired_difference


def result(method: str, level: float, accuracies: list[float], achieved: float | None = None) -> dict[str, Any]:
    margin = paired_difference([a + 0.01 * i for i, a in enumerate(accuracies)], [0.5] * len(accuracies))
    return {
        "method": method,
        "level": level,
        "keep": 100,
        "nnz": [100 if achieved is None else 90],
        "sparsity": describe([level if achieved is None else achieved] * len(accuracies)),
        "accuracy": describe(accuracies),
        "margin": None if method == "magnitude" else margin,
    }


def test_a_row_per_level_and_columns_for_what_there_is() -> None:
    results = [
        *(result("cqp", level, [0.9, 0.92]) for level in (0.9, 0.5)),
        *(result("magnitude", level, [0.8, 0.82]) for level in (0.9, 0.5)),
        result("osqp", 0.9, [0.7, 0.7], achieved=0.93),
        result("osqp", 0.5, [0.7, 0.7]),
    ]
    table = by_level({"seeds": [0, 1], "dense": describe([0.98, 0.98]), "results": results})
    assert table.header == ["sparsity", "cqp", "magnitude", "osqp", "cqp over magnitude", "osqp, achieved"]
    assert [row[0] for row in table.rows] == ["50 %", "90 %"]
    assert table.rows[1][1] == "91.00 ± 12.71"
    assert table.rows[1][-1] == "93.00 %"
    assert "2 seeds; the dense net has 98.00 ± 0.00 %" in table.caption


def test_without_a_margin_there_is_no_column_of_it() -> None:
    alone = result("cqp", 0.9, [0.9]) | {"margin": None}
    table = by_level({"seeds": [0], "dense": describe([0.98]), "results": [alone]})
    assert (table.header, table.rows) == (["sparsity", "cqp"], [["90 %", "90.00"]])
    assert "over 1 seed;" in table.caption


def point(accuracy: float, profile: str = "chip", **changes: Any) -> dict[str, Any]:
    row = {"profile": profile, "method": "cqp", "level": 0.9, "truncated": False, "steps": 5.0, "sparsity": 0.9}
    for name, value in (("accuracy", accuracy), ("energy_pj", 250000.0), ("reduction", 0.8)):
        row |= {name: value, f"{name}_low": value - 0.01, f"{name}_high": value + 0.01}
    return row | changes


def test_the_front_is_that_of_the_profile_near_its_best() -> None:
    front = pd.DataFrame(
        [
            point(0.5),
            point(0.9),
            point(0.95, truncated=True, steps=4.5, accuracy_low=None, accuracy_high=None),
            point(0.99, profile="other"),
        ]
    )
    table = of_front(front, "chip", 10.0)
    assert table.rows == [
        ["cqp at 0.9", "5", "90.00 %", "90.00 ± 1.00", "0.25", "80.00 ± 1.00"],
        ["cqp at 0.9", "T' = 4.5", "90.00 %", "95.00", "0.25", "80.00 ± 1.00"],
    ]


def test_savings_by_formula_and_by_count_and_the_cheapest_setting() -> None:
    net = {
        "method": "cqp",
        "level": 0.9,
        "truncated": True,
        "mean_steps": 8.0,
        "formula": describe([0.92, 0.92]),
        "reduction": {"chip": describe([0.85, 0.85])},
        "accuracy": describe([0.97, 0.97]),
        "difference": describe([-0.005, -0.005]),
        "csr_bytes": 1234.0,
        "bitmask_bytes": 567.0,
    }
    profile = {"mac_pj": 4.6, "ac_pj": 0.9, "neuron_update_pj": 4.6, "source": "a book"}
    summary = {"timesteps": 10, "results": [net], "cheapest": {"chip": net}, "profiles": {"chip": profile}}
    shares = ["92.00 ± 0.00", "85.00 ± 0.00", "97.00 ± 0.00"]
    assert of_savings(summary, "chip").rows == [["cqp at 0.9", "T' = 8.0", *shares, "1,234", "567"]]
    assert of_cheapest(summary).rows == [
        ["chip", "4.6 / 0.9 / 4.6", "cqp at 0.9, T' = 8.0 of 10 steps", "85.00 ± 0.00", "-0.50 ± 0.00"]
    ]
