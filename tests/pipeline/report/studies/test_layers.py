"""The layers study's summary, by hand."""

import pytest

from pipeline.report.studies.layers import summarize
from tests.pipeline.report.tables import layers_table


def test_summary_by_hand() -> None:
    table = layers_table()
    table["loss_points"] = table["level"] * 10 + table["seed"]  # per level 10 * level + 1, sd 1
    table.loc[table["layer"] == "layers.4.weight", "loss_points"] += 2
    table.loc[(table["layer"] == "layers.1.weight") & (table["level"] == 0.98), "loss_points"] += 5
    summary = summarize(table)
    by = {(r.layer, r.level): r for r in summary.results}
    assert by["layers.7.weight", 0.5].loss_points.mean == pytest.approx(6)
    assert by["layers.7.weight", 0.5].loss_points.sd == pytest.approx(1)
    assert by["layers.7.weight", 0.5].synapses == 1280
    assert [line.split()[3] for line in summary.findings] == [*["layers.4.weight"] * 4, "layers.1.weight"]
    assert "8.00 points" in summary.findings[0] and "15.80 points" in summary.findings[-1]
    assert summary.metrics["loss_points/layers.4.weight/0.90"] == pytest.approx(12)
