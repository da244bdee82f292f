"""The summary of quantisation by hand, and its numbers where they are drawn."""

import pytest
from matplotlib import pyplot

from pipeline.report.studies import load_report
from tests.pipeline.report.drawn import points
from tests.pipeline.report.tables import quantise_table, row_of, summary_of


def test_every_kind_against_the_float_net_of_its_seed() -> None:
    summary = summary_of("quantise")
    eight = row_of(summary.results, method="magnitude", level=0.9, bits=8, finetuned=False)
    # 0.98 - 0.1 * 0.9^8 less 0.001 and 0.0001 of the mean seed; the seeds lose 0, 0.0001 and 0.0002
    assert eight.accuracy.mean == pytest.approx(0.98 - 0.1 * 0.9**8 - 0.0011)
    assert (eight.difference.mean, eight.difference.sd) == (pytest.approx(-1e-4), pytest.approx(1e-4))
    assert (eight.per_row, eight.total_bytes.mean) == (3, pytest.approx(8 * 100 + 500))
    assert eight.energy_once_pj.mean == pytest.approx(80 + 10)
    four, tuned = (row_of(summary.results, method="cqp", level=0.5, bits=4, finetuned=is_) for is_ in (False, True))
    assert (four.difference.mean, tuned.difference.mean) == (pytest.approx(-0.004), pytest.approx(-0.001))
    assert summary.metrics["difference/cqp_0.50/4_bits_finetuned"] == pytest.approx(-0.001)
    assert "silent/dense/32_bits" in summary.metrics
    assert not [key for key in summary.metrics if key.startswith("accuracy/magnitude") and "finetuned" in key]


def test_the_order_of_rows_does_not_matter() -> None:
    shuffled = summary_of("quantise", quantise_table().sample(frac=1, random_state=0))
    assert shuffled.metrics == pytest.approx(summary_of("quantise").metrics)


def test_findings_and_table_are_about_the_best_method() -> None:
    summary = summary_of("quantise", best="magnitude")
    assert [line.partition(":")[0] for line in summary.findings] == [
        f"{net}, {bits} bits" for net in ("dense", "magnitude@0.50", "magnitude@0.90") for bits in (8, 4)
    ]
    (table,) = summary.page_tables
    assert table.rows[0][:4] == ["dense", "float32", "97.90 ± 0.25", ""]
    assert table.rows[1][:4] == ["dense", "8 bits", "97.89 ± 0.27", "-0.01 ± 0.02 (p = 1.00)"]


def test_numbers_are_drawn_where_they_belong() -> None:
    (drawing,) = load_report("quantise").drawings
    figure = drawing.draw(summary_of("quantise"))
    shares, lost = points(figure, 0, "4 bits, fine-tuned")
    assert (shares, lost) == (pytest.approx([0.5, 0.1]), pytest.approx([-0.1, -0.1]))
    assert points(figure, 1, "float32")[1] == pytest.approx([32.5, 16.5, 3.7])
    pyplot.close("all")
