"""Temporal study: T' by the rule on validation, test accuracy from runs of that many steps, statistics by hand."""

import pytest

from pipeline.report.studies.temporal import summarize
from tests.pipeline.studies.tables import temporal_table


def test_statistics_by_hand() -> None:
    summary = summarize(temporal_table())
    result = next(r for r in summary["results"] if (r["method"], r["level"]) == ("cqp", 0.9))
    assert result["steps"]["mean"] == pytest.approx((4 + 4 + 5) / 3)
    assert result["difference"]["mean"] == pytest.approx(-0.01)
    assert result["difference"]["p"] is None  # the same for every seed
    assert result["truncated_accuracy"]["mean"] == pytest.approx(0.98 - 0.09 - 0.001 - 0.01)
    assert result["authors_steps"]["mean"] == 3
    assert result["authors_accuracy"]["mean"] == pytest.approx(0.98 - 0.09 - 0.125 - 0.001)
    assert summary["metrics"]["steps/dense"] == pytest.approx(13 / 3)
    assert summary["findings"][0] == (
        "dense: 4.3 of 6 steps are enough; test accuracy 97.90 -> 96.90 % (-1.00 ± 0.00 points); by the author's rule "
        "3.0 steps, 85.40 %"
    )
    assert [line.partition(":")[0] for line in summary["findings"]] == ["dense", "cqp at 0.5", "cqp at 0.9"]


def test_where_nothing_is_redundant_it_says_so() -> None:
    table = temporal_table().assign(chosen=lambda rows: rows["step"] == 6)
    assert summarize(table)["findings"][0].startswith("dense: no step is redundant; test accuracy 97.90 -> 97.90 %")
