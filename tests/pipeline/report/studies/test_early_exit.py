"""The early exit study's summary, by hand."""

import pytest

from pipeline.report.studies.early_exit import summarize
from tests.pipeline.report.tables import early_exit_table


def test_statistics_by_hand() -> None:
    summary = summarize(early_exit_table())
    result = next(r for r in summary.results if (r.method, r.level) == ("magnitude", 0.5))
    assert result.threshold.mean == 0.9
    assert result.steps.mean == pytest.approx(3.3)
    assert result.difference.mean == pytest.approx(-0.001)
    assert [point.steps for point in result.curve] == pytest.approx([1.1, 2.1, 3.1, 4.1])
    assert result.curve[0].accuracy == pytest.approx(0.97 - 0.05 - 0.08 - 0.001)
    assert summary.metrics["steps/cqp_0.90"] == pytest.approx(3.3)
    assert [line.partition(":")[0] for line in summary.findings] == ["dense", "cqp@0.50", "cqp@0.90"]
