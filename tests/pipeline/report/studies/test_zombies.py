"""The zombie study's summary, by hand."""

import pytest

from pipeline.report.studies.zombies import LINES, summarize
from tests.pipeline.report.tables import zombies_table


def test_summary_by_hand() -> None:
    summary = summarize(zombies_table())
    by = {result.setting: result for result in summary.results}
    assert list(by) == list(LINES)
    # After step 1: 19000, 19001 and 19002; after step 200 all 190000 and 0, 1 or 2.
    assert by["none"].zombies_first.mean == 19_001
    assert by["none"].zombies_last.mean == 190_001
    assert by["none"].zombies_most == 190_002
    assert by["none"].sparsity.mean == pytest.approx(0.9 - 190_001 / 235_146)
    assert by["+ weights"].zombies_most == 0
    curve = by["gradients"].curve
    assert curve.step == list(range(201))
    assert curve.zombies[:2] == [0.0, 9001.0]
    measured = [step for step, value in zip(curve.step, curve.validation_accuracy, strict=True) if value]
    assert measured == list(range(0, 201, 20))
    assert curve.validation_accuracy[0] == pytest.approx(0.901)
    assert set(summary.metrics) == {
        f"{key}/{setting}"
        for key in ("zombies", "zombies_most", "sparsity")
        for setting in ("none", "gradients", "moments", "weights")
    }
    assert summary.metrics["zombies/moments"] == 0
