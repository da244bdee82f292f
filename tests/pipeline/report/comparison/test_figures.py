"""The comparison's figures: valid SVG, the same bytes each time, with the numbers of the summary."""

from dataclasses import replace

import pandas as pd
import pytest
from matplotlib import pyplot

from pipeline.report.comparison.figures import FIGURES, accuracy_against_sparsity, sparsity_error
from pipeline.report.comparison.summary import Comparison, summarize
from pipeline.report.style import COLOURS, MARKERS, SPARE_COLOURS, Drawing, look
from snnprune.pruning.registry import available
from tests.pipeline.report.drawn import points, texts_of


@pytest.fixture
def summary(table: pd.DataFrame) -> Comparison:
    return summarize(table)


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_valid_svg_the_same_bytes_twice_also_of_one_seed_and_a_method_without_a_colour(
    table: pd.DataFrame, figure: Drawing
) -> None:
    one = table[table["seed"] == 0].replace({"method": {"osqp": "brandnew"}})
    for summary, method in ((summarize(table), "osqp"), (summarize(one), "brandnew")):
        content = figure.svg(summary)
        assert content == figure.svg(summary)
        assert {"magnitude", method} <= set(texts_of(content))
        assert "<dc:date>" not in content
        assert pyplot.get_fignums() == []
        assert figure.svg(replace(summary, results=summary.results[1:])) != content


def test_accuracy_is_drawn_over_the_share_of_synapses_kept(summary: Comparison) -> None:
    figure = accuracy_against_sparsity(summary)
    kept, accuracies = points(figure, 0, "osqp")
    assert kept == pytest.approx([0.5, 0.05])  # achieved, not asked
    assert accuracies == pytest.approx([95.5, 60.0])
    assert points(figure, 0, "dense (97.00 %)")[1] == pytest.approx([97.0, 97.0])
    pyplot.close(figure)


def test_sparsity_error_is_achieved_minus_asked_in_points(summary: Comparison) -> None:
    figure = sparsity_error(summary)
    assert points(figure, 1, "magnitude")[1] == pytest.approx([0.0, 0.0], abs=1e-9)
    assert points(figure, 1, "osqp") == (pytest.approx([0.5, 0.1]), pytest.approx([0.0, 5.0], abs=1e-9))
    # In one step each mask of the fixture keeps three quarters as many: 37.5 and 7.5, for osqp 37.5 and 3.75 of 100.
    assert points(figure, 0, "magnitude")[1] == pytest.approx([12.5, 2.5])
    assert points(figure, 0, "osqp")[1] == pytest.approx([12.5, 6.25])
    pyplot.close(figure)


def test_methods_differ_in_colour_and_marker() -> None:
    assert set(COLOURS) == set(MARKERS) >= set(available())
    assert len({*COLOURS.values(), *SPARE_COLOURS}) == len(COLOURS) + len(SPARE_COLOURS)
    assert len(set(MARKERS.values())) == len(MARKERS)
    assert look("cqp", 3) == look("cqp")
    first, second = look("brandnew", 0), look("newest", 1)
    assert first["color"] != second["color"]
    assert first["color"] not in COLOURS.values()
