"""The figures: valid SVG, the same bytes each time, with the numbers of the summary."""

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from pipeline.report.comparison.figures import accuracy_against_sparsity, by_method, sparsity_error
from pipeline.report.comparison.summary import summarize, tidy_table
from pipeline.report.style import COLOURS, MARKERS, SPARE_COLOURS, half_interval, look, save_svg
from snnprune.methods import available

FIGURES = [accuracy_against_sparsity, sparsity_error]
Draw = Callable[[dict[str, Any]], Figure]


@pytest.fixture
def summary(dense: dict[int, dict[str, float]], levels: dict[tuple[str, int], pd.DataFrame]) -> dict[str, Any]:
    return summarize(tidy_table("made", dense, levels))


def lines(figure: Figure, panel: int = 0) -> dict[str, tuple[list[float], list[float]]]:
    """Label -> points of each line or error bar of one panel."""
    axes = figure.axes[panel]
    found = {line.get_label(): line for line in axes.get_lines()}
    found.update({container.get_label(): container.lines[0] for container in axes.containers})
    return {label: (list(line.get_xdata()), list(line.get_ydata())) for label, line in found.items()}


@pytest.mark.parametrize("draw", FIGURES)
def test_valid_svg_the_same_bytes_twice_with_the_methods_names(
    tmp_path: Path, summary: dict[str, Any], draw: Draw
) -> None:
    save_svg(draw(summary), tmp_path / "first.svg")
    save_svg(draw(summary), tmp_path / "again.svg")
    content = (tmp_path / "first.svg").read_text(encoding="utf-8")
    assert content == (tmp_path / "again.svg").read_text(encoding="utf-8")
    assert ET.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"
    for text in ("magnitude", "osqp"):
        assert f"<!-- {text} -->" in content  # text is drawn as glyphs; matplotlib names it in a comment
    assert "<dc:date>" not in content
    assert pyplot.get_fignums() == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.svg", "first.svg"]


def test_another_summary_gives_other_bytes(tmp_path: Path, summary: dict[str, Any]) -> None:
    save_svg(accuracy_against_sparsity(summary), tmp_path / "first.svg")
    summary["results"][0]["accuracy"]["mean"] += 0.01
    save_svg(accuracy_against_sparsity(summary), tmp_path / "second.svg")
    assert (tmp_path / "first.svg").read_bytes() != (tmp_path / "second.svg").read_bytes()


def test_accuracy_is_drawn_over_the_share_of_synapses_kept(summary: dict[str, Any]) -> None:
    figure = accuracy_against_sparsity(summary)
    drawn = lines(figure)
    kept, accuracies = drawn["osqp"]
    assert kept == pytest.approx([0.5, 0.05])  # achieved, not asked
    assert accuracies == pytest.approx([95.5, 60.0])
    assert drawn["dense (97.00 %)"][1] == pytest.approx([97.0, 97.0])
    pyplot.close(figure)


def test_sparsity_error_is_achieved_minus_asked_in_points(summary: dict[str, Any]) -> None:
    figure = sparsity_error(summary)
    one_shot, iterative = lines(figure, 0), lines(figure, 1)
    assert iterative["magnitude"][1] == pytest.approx([0.0, 0.0], abs=1e-9)
    assert iterative["osqp"] == (pytest.approx([0.5, 0.1]), pytest.approx([0.0, 5.0], abs=1e-9))
    # In one step each mask of the fixture keeps three quarters as many: 37.5 and 7.5, for osqp 37.5 and 3.75 of 100.
    assert one_shot["magnitude"][1] == pytest.approx([12.5, 2.5])
    assert one_shot["osqp"][1] == pytest.approx([12.5, 6.25])
    pyplot.close(figure)


@pytest.mark.parametrize("draw", FIGURES)
def test_one_seed_and_a_method_without_a_colour_of_its_own_are_drawn(
    tmp_path: Path,
    dense: dict[int, dict[str, float]],
    levels: dict[tuple[str, int], pd.DataFrame],
    draw: Draw,
) -> None:
    one = {("brandnew", 0): levels["osqp", 0]}
    save_svg(draw(summarize(tidy_table("made", {0: dense[0]}, one))), tmp_path / "one.svg")
    assert "<!-- brandnew -->" in (tmp_path / "one.svg").read_text(encoding="utf-8")


def test_methods_are_grouped_in_order(summary: dict[str, Any]) -> None:
    groups = by_method(summary)
    assert {name: [result["level"] for result in results] for name, results in groups.items()} == {
        "magnitude": [0.5, 0.9],
        "osqp": [0.5, 0.9],
    }


def test_methods_are_told_apart_by_colour_and_marker() -> None:
    assert set(COLOURS) == set(MARKERS) >= set(available())
    assert len({*COLOURS.values(), *SPARE_COLOURS}) == len(COLOURS) + len(SPARE_COLOURS)
    assert len(set(MARKERS.values())) == len(MARKERS)
    assert look("cqp", 3) == look("cqp")
    first, second = look("brandnew", 0), look("newest", 1)
    assert first["color"] != second["color"]
    assert first["color"] not in COLOURS.values()


def test_half_an_interval() -> None:
    figures = {"n": 3, "mean": 0.5, "sd": 0.1, "low": 0.25, "high": 0.75}
    assert half_interval(figures) == 25.0
    assert half_interval(figures, 1) == 0.25
    assert half_interval({"n": 1, "mean": 0.5, "sd": None, "low": None, "high": None}) == 0.0
