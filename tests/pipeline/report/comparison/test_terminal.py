"""The comparison for a terminal, of results made by hand."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.report.comparison.terminal import render_text
from pipeline.report.statistics import Interval
from tests.pipeline.report.comparison.test_tables import SUMMARY, interval, margin, result
from tests.pipeline.report.tables import comparison_of

OTHERS = ("regrow", "gradient", "membrane", "osqp", "random")


def test_levels_are_down_methods_across_and_a_star_marks_what_differs() -> None:
    assert render_text(SUMMARY) == (
        "made: test accuracy in %, mean ± 95 % t-interval over 3 seeds; the dense net has\n98.42 ± 0.11\n\n"
        "sparsity            cqp      magnitude\n"
        "    50 %  98.00 ± 0.20*  96.75 ± 0.20\n"
        "  98.5 %  97.00 ± 0.20          97.10\n\n"
        "* differs from magnitude (paired over seeds, p < 0.05, not corrected for the\n"
        "number of levels); no difference was shown elsewhere.\n"
        "At 98.5 % sparsity the best by validation is cqp, with 97.00 ± 0.20 % on test,\n"
        "-0.10 ± 0.40 points over magnitude: no difference shown."
    )


@pytest.mark.parametrize("width", [80, 60, 30])
def test_what_does_not_fit_is_named_and_the_baseline_stays(width: int) -> None:
    results = [
        result("cqp", 0.9, interval(0.9, 0.01), margin(0.01, 0.02, 0.3)),
        result("magnitude", 0.9, interval(0.9, 0.01)),
    ]
    results += [result(name, 0.9, interval(0.5, 0.01), margin(-0.4, 0.8, 0.2)) for name in OTHERS]
    text = render_text(comparison_of(*results, dense=interval(0.98, 0.01)), width)
    assert max(map(len, text.splitlines())) <= width
    head = next(line for line in text.splitlines() if line.startswith("sparsity")).split()
    assert "magnitude" in head
    missing = [name for name in ("cqp", *OTHERS) if name not in head]
    assert f"Not shown for want of room: {', '.join(missing)};" in " ".join(text.split())
    none = (
        "No difference from magnitude (paired over seeds, p < 0.05, not corrected for the number of levels) was shown."
    )
    assert none in " ".join(text.split())


@pytest.mark.parametrize("flaw", [{"nnz": [11]}, {"empty_layers": 1}])
def test_what_is_no_rival_is_marked_and_compared_with_nothing(flaw: dict[str, Any]) -> None:
    results = [result("osqp", 0.9, interval(0.9, 0.01)) | flaw, result("magnitude", 0.9, interval(0.9, 0.01))]
    text = render_text(comparison_of(*results, dense=interval(0.98, 0.01)))
    assert "90.00 ± 1.00!  90.00 ± 1.00\n" in text
    assert "\n! missed the sparsity, or emptied a layer" in text
    assert "differs" not in text
    assert "the best by validation is magnitude" in text


def test_without_a_baseline_nothing_differs() -> None:
    text = render_text(replace(SUMMARY, baseline=None, results=SUMMARY.results.assign(margin=None)))
    assert "differs" not in text
    assert "there is no baseline to hold it against" in " ".join(text.split())


def test_the_best_is_shown_before_others_and_one_seed_has_no_interval() -> None:
    results = [result(name, 0.9, interval(0.5, 0.01)) for name in (*OTHERS, "magnitude")]
    results.append(result("mine", 0.9, interval(0.6, 0.01)) | {"validation_accuracy": interval(0.9, 0.01)})
    summary = replace(comparison_of(*results, dense=Interval(1, 0.98)), seeds=[4])
    lines = render_text(summary, 40).splitlines()
    assert " ".join(lines[:3]).startswith("made: test accuracy in %, of one seed, so without an interval; the dense")
    assert next(line for line in lines if line.startswith("sparsity")).split()[-2:] == ["magnitude", "mine"]
