"""Protocol `paper`: column scores and masks by hand, the rounds, and its summary."""

import pandas as pd
import pytest

from pipeline.io.files import Row
from pipeline.report.studies.paper import fair_rows, summarize
from tests.pipeline.studies.tables import paper_table


def levels_csv(*rows: tuple[float, float]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"level": level, "sparsity": level - 0.01, "nnz": 1, "validation_accuracy": a, "accuracy": a, "more": 0}
            for level, a in rows
        ]
    )


def test_fair_rows_are_those_at_the_levels() -> None:
    tables = {("cqp", 4): levels_csv((0.5, 0.9), (0.8, 0.7), (0.9, 0.6)), ("magnitude", 4): levels_csv((0.5, 0.8))}
    found: list[Row] = fair_rows(tables, [0.5, 0.7, 0.9])
    assert [(r["seed"], r["protocol"], r["method"], r["level"], r["accuracy"]) for r in found] == [
        (4, "fair", "cqp", 0.5, 0.9),
        (4, "fair", "cqp", 0.9, 0.6),
        (4, "fair", "magnitude", 0.5, 0.8),
    ]
    assert [(r["sparsity"], r["network_sparsity"]) for r in found] == [(0.49, 0.49), (0.89, 0.89), (0.49, 0.49)]
    assert "more" not in found[0]


def test_summary_by_hand() -> None:
    table = pd.DataFrame(
        [
            {
                "seed": seed,
                "protocol": "paper",
                "method": method,
                "level": 0.9,
                "sparsity": 0.9,
                "network_sparsity": 0.75 + seed / 8,
                "accuracy": value,
            }
            for method, values in {"cqp": (0.70, 0.76, 0.78), "magnitude": (0.9, 0.92, 0.94)}.items()
            for seed, value in zip((2, 0, 1), values, strict=True)
        ]
    )
    table = pd.concat([table[table["method"] == "magnitude"].iloc[::-1], table[table["method"] == "cqp"]])
    summary = summarize(table, "mnist")
    by = {result["method"]: result for result in summary["results"]}
    assert by["cqp"]["accuracy"]["mean"] == pytest.approx(2.24 / 3)
    assert (by["cqp"]["notebook"], by["cqp"]["abstract"]) == (pytest.approx(0.735), pytest.approx(0.956))
    assert (by["magnitude"]["notebook"], by["magnitude"]["abstract"]) == (pytest.approx(0.918), pytest.approx(0.934))
    # Paired by seed although the rows stand in another order: -20, -16, -16 points.
    (margin,) = summary["margins"]
    assert margin["margin_points"]["mean"] == pytest.approx(-52 / 3)
    assert margin["margin_points"]["sd"] == pytest.approx((16 / 3) ** 0.5)
    assert by["cqp"]["network_sparsity"]["mean"] == 0.875
    # With two degrees of freedom the 97.5 % quantile is 4.302653: half width 4.302653 * 4/sqrt(3) / sqrt(3) = 5.74.
    assert summary["findings"] == [
        "protocol paper at 0.9: magnitude 92.00 % [91.8 in the notebook, 93.4 in the abstract], "
        "cqp 74.67 % [73.5 in the notebook, 95.6 in the abstract]; CQP over magnitude -17.33 points (-23.07 to -11.60)"
    ]
    assert summary["metrics"]["paper_accuracy/magnitude/0.9"] == pytest.approx(0.92)


def test_findings_of_both_protocols_and_one_seed() -> None:
    table = paper_table()
    found = summarize(table[(table["seed"] == 0) & (table["level"] == 0.8)], "mnist")["findings"]
    # 0.98 - 0.25 * 0.8^8 and 0.98 - 0.07 * 0.8^8; under `fair` a twentieth of the loss. One seed has no interval.
    assert found == [
        "protocol paper at 0.8: cqp 93.81 % [90.6 in the notebook], magnitude 96.83 % [97.0 in the notebook]; "
        "CQP over magnitude -3.02 points",
        "protocol fair at 0.8: cqp 97.79 %, magnitude 97.94 %; CQP over magnitude -0.15 points",
    ]
    other = summarize(table[(table["seed"] == 0) & (table["level"] == 0.8)], "digits")["findings"]
    assert other[0] == "protocol paper at 0.8: cqp 93.81 %, magnitude 96.83 %; CQP over magnitude -3.02 points"


def test_published_values_stand_only_beside_their_dataset_and_protocol() -> None:
    found = summarize(paper_table(), "fashion_mnist")["results"]
    assert {r["protocol"] for r in found if "notebook" in r} == {"paper"}
    assert not [r for r in found if "abstract" in r]
    assert next(r for r in found if r["method"] == "gradient" and r["level"] == 0.7)["notebook"] == pytest.approx(0.464)
    assert not [r for r in summarize(paper_table(), "digits")["results"] if "notebook" in r or "abstract" in r]


def test_without_magnitude_there_is_no_margin() -> None:
    table = paper_table()
    assert summarize(table[table["method"] != "magnitude"], "mnist")["margins"] == []
