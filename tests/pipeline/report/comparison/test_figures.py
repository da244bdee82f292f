"""The comparison's figures: valid SVG, the same bytes each time, with the numbers of the summary."""

import json
import math
import re
import warnings
from dataclasses import replace

import pandas as pd
import pytest
from matplotlib import pyplot

from pipeline.report.comparison.energy_parts import PARTS
from pipeline.report.comparison.figures import (
    FIGURES,
    SPENT,
    accuracy_against_energy,
    accuracy_against_sparsity,
    energy_by_part,
    sparsity_error,
)
from pipeline.report.comparison.summary import Comparison, summarize
from pipeline.report.looks import COLOURS, MARKERS, SPARE_COLOURS, SPARE_MARKERS
from pipeline.report.statistics import Interval, describe
from pipeline.report.studies.sweep import RULES
from pipeline.report.style import Drawing, draw_intervals, look, panels, sparsity_axis
from snnprune.pruning.registry import available
from tests.imports import PROJECT
from tests.pipeline.report.drawn import points, texts_of
from tests.pipeline.report.tables import PROFILES


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


def test_energy_by_part_has_a_panel_per_profile_and_a_bar_per_net(table: pd.DataFrame) -> None:
    """Every count of the fixture is 7; `cheap` takes 2, 1 and 0.5 pJ of a MAC, an AC and an update."""
    summary = summarize(table, profiles=PROFILES)
    best = summary.best(0.9).method
    cheap = summary.energy_parts[summary.energy_parts["profile"] == "cheap"]
    nets = list(zip(cheap["method"], cheap["level"], strict=True))
    assert nets == [("dense", 0.0), (best, 0.5), (best, 0.9)]
    assert cheap[list(PARTS)].values.tolist() == [[14, 7, 3.5, 0, 0]] * 3
    figure = energy_by_part(summary)
    assert [axes.get_title() for axes in figure.axes] == ["cheap", "flat"]
    assert sum(bar.get_width() for bar in figure.axes[0].patches) == pytest.approx(3 * 24.5 / 1000)
    pyplot.close(figure)
    assert SPENT.svg(summary) == SPENT.svg(summary)


def test_accuracy_against_energy_is_drawn_over_the_share_that_is_left(table: pd.DataFrame) -> None:
    figure = accuracy_against_energy(summarize(table, "magnitude"))
    line = figure.axes[0].containers[1].lines[0]  # osqp
    assert line.get_xdata() == pytest.approx([0.5, 0.1])
    assert line.get_ydata() == pytest.approx([95.5, 60.0])
    margins = figure.axes[1].containers[1].lines[0]
    assert margins.get_xdata() == pytest.approx([0.2, 0.15, 0.1])  # at 50 to 90 % saved there are nets
    # A quarter and less of the way from level 0.9: at 90 % saved it is the level's own margin.
    assert margins.get_ydata()[-1] == pytest.approx(-25.0)
    assert figure.axes[1].get_ylim()[0] == -6  # no method that fails flattens the others
    pyplot.close(figure)


def test_accuracy_is_drawn_over_the_share_of_synapses_kept(summary: Comparison) -> None:
    figure = accuracy_against_sparsity(summary)
    kept, accuracies = points(figure, 0, "osqp")
    assert kept == pytest.approx([0.5, 0.05])  # achieved, not asked
    assert accuracies == pytest.approx([95.5, 60.0])
    assert points(figure, 0, "dense (97.00 %)")[1] == pytest.approx([97.0, 97.0])
    assert [axes.get_title() for axes in figure.axes] == ["", "close-up"]
    assert figure.axes[1].get_ylim() == pytest.approx((91, 98))
    pyplot.close(figure)


def test_there_is_no_close_up_where_all_is_close(table: pd.DataFrame) -> None:
    table.loc[table["method"] != "dense", "accuracy"] = 0.92  # of 97 %, and 6 points are close
    figure = accuracy_against_sparsity(summarize(table))
    assert [axes.get_title() for axes in figure.axes] == [""]
    pyplot.close(figure)


def test_sparsity_error_is_achieved_minus_asked_in_points(summary: Comparison) -> None:
    figure = sparsity_error(summary)
    assert points(figure, 1, "magnitude")[1] == pytest.approx([0.0, 0.0], abs=1e-9)
    assert points(figure, 1, "osqp") == (pytest.approx([0.5, 0.1]), pytest.approx([0.0, 5.0], abs=1e-9))
    # In one step each mask of the fixture keeps three quarters as many: 37.5 and 7.5, for osqp 37.5 and 3.75 of 100.
    assert points(figure, 0, "magnitude")[1] == pytest.approx([12.5, 2.5])
    assert points(figure, 0, "osqp")[1] == pytest.approx([12.5, 6.25])
    pyplot.close(figure)


def test_rounding_to_a_whole_synapse_looks_like_no_miss(summary: Comparison) -> None:
    """The nearest count of 2,368 synapses is up to 0.02 points off."""
    rounded = [Interval(1, level - 0.0001) for level in summary.results["level"]]
    results = summary.results.assign(sparsity=rounded, one_shot_sparsity=rounded)
    figure = sparsity_error(replace(summary, results=results))
    low, high = figure.axes[0].get_ylim()
    assert low <= -1 and high >= 1
    pyplot.close(figure)


def test_methods_differ_in_colour_and_marker() -> None:
    assert set(COLOURS) == set(MARKERS) >= {"dense", *available()}
    assert len({*COLOURS.values(), *SPARE_COLOURS}) == len(COLOURS) + len(SPARE_COLOURS)
    assert len({*MARKERS.values(), *SPARE_MARKERS}) == len(MARKERS) + len(SPARE_MARKERS)
    first, second = look("brandnew"), look("newest")
    assert first["color"] != second["color"] and first["marker"] != second["marker"]
    assert first["color"] in SPARE_COLOURS


def test_dvcs_plots_have_the_colours_of_the_figures() -> None:
    text = (PROJECT / ".dvc/plots/accuracy_against_sparsity.json").read_text(encoding="utf-8")
    named, spare = re.search(r"\{(dense: [^}]*)\}\[datum.method\] \|\| '(#\w+)'", text).groups()
    assert dict(re.findall(r"(\w+): '(#\w+)'", named)) == COLOURS
    assert spare in SPARE_COLOURS
    sweep = json.loads((PROJECT / ".dvc/plots/threshold_sweep.json").read_text(encoding="utf-8"))
    for panel in sweep["hconcat"]:
        scale = panel["encoding"]["color"]["scale"]
        found = dict(zip(scale["domain"], scale["range"], strict=True))
        assert found == {rule: style["color"] for rule, (_, style) in RULES.items()}


T = math.tan(math.pi * 0.475)  # of two seeds: half the interval is T times half their difference


def test_bars_of_percentages_stay_within_0_and_100() -> None:
    figure, (axes,) = panels("made", (4, 3), "accuracy (%)")
    draw_intervals(axes, [1, 2], [describe([0.02, 0.1]), describe([0.99, 0.9])])
    ends = axes.containers[0].lines[2][0].get_segments()
    assert [[float(y) for _, y in ends] for ends in ends] == [
        pytest.approx([0, 6 + 4 * T]),
        pytest.approx([94.5 - 4.5 * T, 100]),
    ]
    draw_intervals(axes, [1], [describe([-1, 1])], 1)  # points may lie anywhere
    assert float(axes.containers[1].lines[2][0].get_segments()[0][0][1]) < -1
    pyplot.close(figure)


def test_a_log_axis_of_one_place_has_a_range() -> None:
    _, (axes,) = panels("title", (4, 4), "accuracy")
    axes.plot([0.1], [1.0])
    with warnings.catch_warnings(action="error"):
        sparsity_axis(axes, [0.9])
    assert axes.get_xlim() == pytest.approx((0.2, 0.05))
