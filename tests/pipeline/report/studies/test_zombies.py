"""The zombie study: counts by another count, equal batches, the restored optimiser, and its summary by hand."""

from typing import Any

import pandas as pd
import pytest

from pipeline.report.studies.zombies import summarize
from pipeline.studies.zombies import SETTINGS
from tests.pipeline.studies.tables import zombies_table


def test_summary_by_hand() -> None:
    summary = summarize(zombies_table())
    by = {result["setting"]: result for result in summary["results"]}
    assert list(by) == list(SETTINGS)
    # After step 1: 19000, 19001 and 19002; after step 200 all 190000 and 0, 1 or 2.
    assert by["none"]["zombies_first"]["mean"] == 19_001
    assert by["none"]["zombies_last"]["mean"] == 190_001
    assert by["none"]["zombies_most"] == 190_002
    assert by["none"]["sparsity"]["mean"] == pytest.approx(0.9 - 190_001 / 235_146)
    assert by["+ weights"]["zombies_most"] == 0
    curve = by["gradients"]["curve"]
    assert curve["step"] == list(range(201))
    assert curve["zombies"][:2] == [0.0, 9001.0]
    measured = [step for step, value in zip(curve["step"], curve["validation_accuracy"], strict=True) if value]
    assert measured == list(range(0, 201, 20))
    assert curve["validation_accuracy"][0] == pytest.approx(0.901)
    assert set(summary["metrics"]) == {
        f"{key}/{setting}"
        for key in ("zombies", "zombies_most", "sparsity")
        for setting in ("none", "gradients", "moments", "weights")
    }
    assert summary["metrics"]["zombies/moments"] == 0
    assert summary["findings"][3] == (
        "guards + weights: 0 zombies after the last step (0 at most), sparsity 90.00 %, validation accuracy 98.08 %"
    )


def test_the_table_goes_through_a_csv_file(tmp_path: Any) -> None:
    zombies_table().to_csv(tmp_path / "table.csv", index=False)
    assert summarize(pd.read_csv(tmp_path / "table.csv"))["findings"] == summarize(zombies_table())["findings"]
