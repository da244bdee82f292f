"""The paper's protocol beside the fair one: pairing, margins and published values."""

import pandas as pd
import pytest

from pipeline.report.studies import StudySummary
from pipeline.report.studies.paper import summarize
from tests.pipeline.report.tables import context, evaluated_table, grid, paper_table, row_of

ONLY_PAPER = evaluated_table().iloc[:0]


def summary_of(table: pd.DataFrame, dataset: str = "mnist", evaluated: pd.DataFrame = ONLY_PAPER) -> StudySummary:
    return summarize(table, context(dataset=dataset, evaluated=evaluated))


def test_fair_rows_are_the_evaluated_nets_of_the_same_methods_and_levels() -> None:
    evaluated = grid(method=("dense", "cqp", "osqp"), seed=[4], level=(0.0, 0.5, 0.7)).assign(accuracy=0.9)
    evaluated["sparsity"] = evaluated["level"] - 0.01
    (fair,) = summary_of(paper_table(), evaluated=evaluated).results.query("protocol == 'fair'").itertuples()
    assert (fair.method, fair.level, fair.accuracy.mean) == ("cqp", 0.7, 0.9)
    assert fair.sparsity.mean == fair.network_sparsity.mean == pytest.approx(0.69)


def test_summary_by_hand() -> None:
    table = grid(protocol=["paper"], method=("cqp", "magnitude"), level=[0.9], seed=(2, 0, 1)).assign(sparsity=0.9)
    table = table.assign(network_sparsity=0.75 + table["seed"] / 8, accuracy=[0.70, 0.76, 0.78, 0.9, 0.92, 0.94])
    table = pd.concat([table[table["method"] == "magnitude"].iloc[::-1], table[table["method"] == "cqp"]])
    summary = summary_of(table)
    cqp, magnitude = (row_of(summary.results, method=method) for method in ("cqp", "magnitude"))
    assert cqp.accuracy.mean == pytest.approx(2.24 / 3)
    assert (cqp.notebook, cqp.paper) == (pytest.approx(0.735), pytest.approx(0.956))
    assert (magnitude.notebook, magnitude.paper) == (pytest.approx(0.918), pytest.approx(0.934))
    assert cqp.network_sparsity.mean == 0.875
    # Paired by seed although the rows stand in another order: -20, -16, -16 points.
    (margin,) = summary.more["margins"]["margin_points"]
    assert (margin.mean, margin.sd) == (pytest.approx(-52 / 3), pytest.approx((16 / 3) ** 0.5))
    # With two degrees of freedom the 97.5 % quantile is 4.302653: half width 4.302653 * 4/sqrt(3) / sqrt(3) = 5.74.
    assert "-17.33 ± 5.74 points" in summary.findings[0]
    assert "cqp 74.67 % [73.5 in the notebook, 95.6 in the paper]" in summary.findings[0]
    assert summary.metrics["paper_accuracy/magnitude_0.90"] == pytest.approx(0.92)


def test_both_protocols_of_one_seed() -> None:
    table = paper_table()
    summary = summary_of(table[(table["seed"] == 0) & (table["level"] == 0.8)], evaluated=evaluated_table())
    # One seed loses 0.25 * 0.8^8 and 0.07 * 0.8^8, and has no interval; the seeds' mean of the fair nets is 1.
    found = [(margin.protocol, margin.margin_points.mean) for margin in summary.more["margins"].itertuples()]
    assert found == [("paper", pytest.approx(-3.02, abs=0.005)), ("fair", pytest.approx(3 * 0.8**10 - 0.08))]


def test_published_values_are_only_beside_their_dataset_and_protocol() -> None:
    found = summary_of(paper_table(), "fashion_mnist", evaluated_table()).results
    assert set(found["protocol"]) == {"paper", "fair"}
    assert set(found.dropna(subset="notebook")["protocol"]) == {"paper"}
    stated = found.dropna(subset="paper")
    assert dict(zip(stated["method"], stated["paper"], strict=True)) == pytest.approx(
        {"cqp": 0.848, "magnitude": 0.834}
    )
    assert set(zip(stated["protocol"], stated["level"], strict=True)) == {("paper", 0.7)}
    assert row_of(found, protocol="paper", method="gradient", level=0.7).notebook == pytest.approx(0.464)
    assert summary_of(paper_table(), "digits").results[["notebook", "paper"]].isna().all(axis=None)


def test_without_magnitude_there_is_no_margin() -> None:
    table = paper_table()
    assert summary_of(table[table["method"] != "magnitude"]).more["margins"].empty
