"""The temporal study's summary, by hand."""

import pytest

from pipeline.report.studies.temporal import summarize
from tests.pipeline.report.tables import temporal_table


def test_statistics_by_hand() -> None:
    summary = summarize(temporal_table())
    result = next(r for r in summary.results if (r.method, r.level) == ("cqp", 0.9))
    assert result.steps.mean == pytest.approx((4 + 4 + 5) / 3)
    assert result.difference.mean == pytest.approx(-0.01)
    assert result.difference.p is None  # the same for every seed
    assert result.truncated_accuracy.mean == pytest.approx(0.98 - 0.09 - 0.001 - 0.01)
    assert result.authors_steps.mean == 3
    assert result.authors_accuracy.mean == pytest.approx(0.98 - 0.09 - 0.125 - 0.001)
    assert summary.metrics["steps/dense"] == pytest.approx(13 / 3)
    assert "4.3 of 6 steps are enough; test accuracy 97.90 -> 96.90 % (-1.00 ± 0.00 points)" in summary.findings[0]
    assert [line.partition(":")[0] for line in summary.findings] == ["dense", "cqp@0.50", "cqp@0.90"]
    assert summary.facts[0][1].startswith("4.3 of 6 steps")


def test_no_step_is_redundant_where_all_are_needed() -> None:
    table = temporal_table().assign(chosen=lambda rows: rows["step"] == 6)
    summary = summarize(table)
    assert {result.difference.mean for result in summary.results} == {0.0}
    assert "no step is redundant" in summary.findings[0]
