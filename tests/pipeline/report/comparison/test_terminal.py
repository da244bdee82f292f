"""The comparison for a terminal, of results made by hand."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from pipeline.report.comparison.terminal import render_text
from pipeline.report.statistics import Interval
from tests.pipeline.report.comparison.test_tables import SUMMARY, interval, margin, result
from tests.pipeline.report.tables import comparison_of


def test_methods_are_down_and_levels_across() -> None:
    assert render_text(SUMMARY) == (
        "made: test accuracy in %, mean ± 95 % t-interval over 3 seeds; the dense net has\n98.42 ± 0.11\n\n"
        "method             50 %         98.5 %\n"
        "cqp        98.00 ± 0.20   97.00 ± 0.20\n"
        "magnitude  96.75 ± 0.20          97.10\n\n"
        "1 of the 2 comparisons with magnitude shows a difference (paired over seeds, p <\n"
        "0.05 after Holm's correction for all of them); the report has each with its\n"
        "interval.\n"
        "At 98.5 % sparsity the best by validation is cqp, with 97.00 ± 0.20 % on test,\n"
        "-0.10 ± 0.40 points over magnitude (corrected p = 0.05): no difference shown."
    )


@pytest.mark.parametrize(("width", "count"), [(80, 4), (60, 3), (30, 1)])
def test_levels_that_do_not_fit_are_named_and_the_highest_stay(width: int, count: int) -> None:
    levels = [0.5, 0.7, 0.8, 0.9, 0.95, 0.98]
    results = [result("magnitude", level, interval(0.9, 0.01)) for level in levels]
    results += [result("random", level, interval(0.5, 0.01), margin(-0.4, 0.8, 0.2)) for level in levels]
    text = render_text(comparison_of(*results, dense=interval(0.98, 0.01)), width)
    assert max(map(len, text.splitlines())) <= width
    head = next(line for line in text.splitlines() if line.startswith("method"))
    assert head.replace(" %", "%").split()[1:] == [f"{100 * level:g}%" for level in levels[-count:]]
    left = ", ".join(f"{100 * level:g} %" for level in levels[:-count])
    assert f"Not shown for want of room: {left};" in " ".join(text.split())
    assert "None of the 6 comparisons with magnitude shows a difference" in " ".join(text.split())


@pytest.mark.parametrize("flaw", [{"nnz": [11]}, {"empty_layers": 1}])
def test_what_is_no_rival_is_marked_and_compared_with_nothing(flaw: dict[str, Any]) -> None:
    results = [result("osqp", 0.9, interval(0.9, 0.01)) | flaw, result("magnitude", 0.9, interval(0.9, 0.01))]
    text = render_text(comparison_of(*results, dense=interval(0.98, 0.01)))
    assert "osqp       90.00 ± 1.00!\nmagnitude  90.00 ± 1.00\n" in text
    assert "\n! missed the sparsity, or emptied a layer" in text
    assert "comparisons" not in text
    assert "the best by validation is magnitude" in text


def test_without_a_baseline_nothing_differs() -> None:
    text = render_text(replace(SUMMARY, baseline=None, results=SUMMARY.results.assign(margin=None)))
    assert "comparisons" not in text
    assert "there is no baseline to hold it against" in " ".join(text.split())


def test_one_seed_has_no_interval() -> None:
    summary = replace(comparison_of(result("mine", 0.9, Interval(1, 0.5)), dense=Interval(1, 0.98)), seeds=[4])
    lines = render_text(summary, 40).splitlines()
    assert " ".join(lines[:3]).startswith("made: test accuracy in %, of one seed, so without an interval; the dense")


def test_equal_energy_has_a_table_of_its_own() -> None:
    rows = [
        {"method": "cqp", "saving": 0.8, "accuracy": interval(0.98, 0.002), "margin": margin(0.0125, 0.004, 0.049)},
        {"method": "cqp", "saving": 0.9, "accuracy": None, "margin": None},
        {"method": "magnitude", "saving": 0.8, "accuracy": interval(0.9675, 0.002), "margin": None},
        {"method": "magnitude", "saving": 0.9, "accuracy": interval(0.9, 0.002), "margin": None},
    ]
    text = render_text(replace(SUMMARY, equal_energy=pd.DataFrame(rows)))
    assert (
        "method             80 %           90 %\ncqp        98.00 ± 0.20\nmagnitude  96.75 ± 0.20   90.00 ± 0.20\n"
    ) in text
