"""Layer sensitivity: only one layer is pruned, and what it costs is counted from the dense accuracy."""

import pytest

from pipeline.report.studies.layers import summarize
from tests.pipeline.studies.tables import layers_table


def test_summary_by_hand() -> None:
    table = layers_table()
    table["loss_points"] = table["level"] * 10 + table["seed"]  # per level 10 * level + 1, sd 1
    table.loc[table["layer"] == "layers.4.weight", "loss_points"] += 2
    table.loc[(table["layer"] == "layers.1.weight") & (table["level"] == 0.98), "loss_points"] += 5
    summary = summarize(table)
    by = {(r["layer"], r["level"]): r for r in summary["results"]}
    assert by["layers.7.weight", 0.5]["loss_points"]["mean"] == pytest.approx(6)
    assert by["layers.7.weight", 0.5]["loss_points"]["sd"] == pytest.approx(1)
    assert by["layers.7.weight", 0.5]["synapses"] == 1280
    assert summary["findings"][0] == ("layers.4.weight is the most sensitive layer at 0.5: alone it costs 8.00 points")
    assert summary["findings"][-1] == (
        "layers.1.weight is the most sensitive layer at 0.98: alone it costs 15.80 points"
    )
    assert len(summary["findings"]) == 5
    assert summary["metrics"]["loss_points/layers.4.weight/0.9"] == pytest.approx(12)
