"""Studies of recordings tell milliseconds beside steps; those of still images say nothing of them."""

import warnings

import pytest
from matplotlib import pyplot

from pipeline.report.statistics import plain
from pipeline.report.studies import load_report
from pipeline.report.style import as_svg
from tests.pipeline.report.drawn import texts_of
from tests.pipeline.report.tables import summary_of

STEP_MS = 30.0


def test_truncation_in_milliseconds() -> None:
    summary = summary_of("temporal", step_ms=STEP_MS)
    assert summary.findings[0].startswith("dense: enough: 4 to 5 of 6 steps (120 to 150 ms of 180 ms);")
    assert dict(summary.facts)["T', chosen on validation"].startswith("4 to 5 of 6 steps (120 to 150 ms of 180 ms)")


def test_early_exit_in_milliseconds() -> None:
    summary = summary_of("early_exit", step_ms=STEP_MS)
    # 3.2, 3.3 and 3.4 steps for the three seeds
    assert summary.findings[0].startswith("dense: 3.30 steps on average (99 ms), test accuracy")
    assert summary.metrics["milliseconds/dense"] == pytest.approx(99)
    dense = summary.results.set_index("method").loc["dense"]
    assert dense.milliseconds.half == pytest.approx(STEP_MS * dense.steps.half)


def test_energy_in_milliseconds() -> None:
    *settings, by_profile = summary_of("energy", step_ms=STEP_MS).page_tables
    for table in settings:
        place = list(table.header).index("of the recording")
        durations = {row[place - 1]: row[place] for row in table.rows}
        assert durations["6"] == "180 ms"
    assert "of the recording" not in by_profile.header


@pytest.mark.parametrize("study", ["temporal", "early_exit"])
def test_figures_have_an_axis_of_milliseconds(study: str) -> None:
    (drawing,) = load_report(study).drawings
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = drawing.draw(summary_of(study, step_ms=STEP_MS))
        figure.canvas.draw()
        axes = figure.axes[0]
        (above,) = axes.child_axes
        assert above.get_xlim() == pytest.approx([STEP_MS * end for end in axes.get_xlim()])
        assert "milliseconds of the recording" in texts_of(as_svg(figure))
    pyplot.close("all")


@pytest.mark.parametrize("study", ["temporal", "early_exit", "energy"])
def test_still_images_have_none(study: str) -> None:
    summary = summary_of(study)
    assert "millisecond" not in str(plain(summary.results)) and not any(" ms" in line for line in summary.findings)
    assert "step_ms" not in summary.more
    figures = [drawing.svg(summary) for drawing in load_report(study).drawings]
    assert not any("millisecond" in text for svg in figures for text in texts_of(svg))
