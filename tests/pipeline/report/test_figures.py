"""The figures drawn for the page, from hand-made tables: what is drawn, and in which colour."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from pipeline.report.page.figures import (
    accuracy_energy_front,
    as_svg,
    energy_by_layer,
    formula_against_count,
    threshold_sweep,
)
from pipeline.report.statistics import describe
from pipeline.report.style import COLOURS

GRID = pd.DataFrame(
    [
        {"profile": profile, "method": method, "level": level, "truncated": False, "steps": steps}
        | {"accuracy": accuracy, "energy_pj": 1e6 * steps, "formula": level, "reduction": level / 2}
        for profile in ("chip", "other")
        for method, level, accuracy in (("dense", 0.0, 0.98), ("cqp", 0.5, 0.97), ("cqp", 0.9, 0.8))
        for steps in (5, 10)
    ]
)


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def lines(figure: Figure) -> dict[str, tuple[str, int]]:
    """Label -> colour and number of points."""
    found = figure.axes[0].get_lines()
    return {line.get_label(): (to_hex(line.get_color(), keep_alpha=False), len(line.get_xdata())) for line in found}


def test_the_front_shows_the_settings_near_the_best_in_the_methods_colours() -> None:
    chosen = {"energy_pj": {"chip": {"mean": 5e6}}, "accuracy": {"mean": 0.97}}
    figure = accuracy_energy_front(GRID, GRID[GRID["accuracy"] > 0.9], chosen, "chip")
    drawn = lines(figure)
    assert drawn["cqp"] == (COLOURS["cqp"].lower(), 2)  # not those at 80 %
    assert drawn["front (chosen on validation)"][1] == 4
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("energy of a sample (µJ)", "test accuracy (%)")
    assert axes.get_ylim()[0] == pytest.approx(88)


def test_layers_are_stacked_and_their_sum_is_told() -> None:
    layers = [
        {"method": method, "level": level, "layer": name, "energy_pj": {"chip": picojoules}}
        for method, level, name, picojoules in (
            ("dense", 0.0, "a", 2e6),
            ("dense", 0.0, "b", 1e6),
            ("cqp", 0.9, "a", 5e5),
        )
    ]
    axes = energy_by_layer(layers, "chip").axes[0]
    assert [bar.get_width() for bar in axes.patches] == [2.0, 0.5, 1.0, 0.0]
    assert [text.get_text() for text in axes.texts] == ["3 µJ", "0.5 µJ"]


def test_formula_against_count_is_of_all_steps() -> None:
    drawn = lines(formula_against_count(GRID, "chip", 10))
    assert drawn["cqp"] == (COLOURS["cqp"].lower(), 2)
    assert "dense" not in drawn


@pytest.mark.parametrize(("cause", "marked"), [("rising sparsity", 1), ("none", 0)])
def test_the_cliff_is_marked_where_there_is_one(cause: str, marked: int) -> None:
    cliff = {"tau_before": 0.5, "tau": 0.8, "before": 0.9, "after": 0.3, "cause": cause}
    results = [
        {"rule": rule, "tau": tau, "accuracy": describe([0.9]), "sparsity": describe([0.7])}
        for rule in ("energy", "exact", "cut")
        for tau in (0.5, 0.8)
    ]
    figure = threshold_sweep({"results": results, "cliffs": {"energy": cliff, "exact": cliff | {"cause": "none"}}})
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["cliff: 90.0 to 30.0 %\n(rising sparsity)"] * marked
    assert len(figure.axes[0].patches) == marked


def test_an_svg_has_the_same_bytes_each_time() -> None:
    first, second = (as_svg(formula_against_count(GRID, "chip", 10)) for _ in range(2))
    assert first == second
    assert first.lstrip().startswith("<?xml")
