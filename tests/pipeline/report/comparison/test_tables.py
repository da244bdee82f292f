"""The comparison's tables for people: cells and Markdown of results made by hand."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from pipeline.report.comparison.tables import at_equal_energy, best_text, by_level, one_shot, render_markdown, table
from pipeline.report.statistics import Difference, Interval, describe
from tests.pipeline.report.tables import comparison_of


def interval(mean: float, half: float) -> Interval:
    return Interval(3, mean, half / 2, mean - half, mean + half)


def margin(mean: float, half: float, p: float) -> Difference:
    """One whose p-value, corrected, is p."""
    return Difference(3, mean, half / 2, mean - half, mean + half, p / 2, p)


def result(method: str, level: float, accuracy: Interval, over_magnitude: Difference | None = None) -> dict[str, Any]:
    """A result that achieved 1.23 points more than its level."""
    return {
        "method": method,
        "level": level,
        "sparsity": interval(level + 0.0123, 0.0),
        "accuracy": accuracy,
        "one_shot_sparsity": interval((1 + level) / 2, 0.0),
        "one_shot_accuracy": interval(0.25, 0.01),
        "one_shot_compensated": interval(0.75, 0.02) if method == "cqp" else None,
        "margin": over_magnitude,
    }


SUMMARY = comparison_of(
    result("cqp", 0.5, interval(0.98, 0.002), margin(0.0125, 0.004, 0.049)),
    result("cqp", 0.985, interval(0.97, 0.002), margin(-0.001, 0.004, 0.05)),
    result("magnitude", 0.5, interval(0.9675, 0.002)),
    result("magnitude", 0.985, Interval(1, 0.971)),
    dense=interval(0.9842, 0.0011),
)


COLUMNS = [
    *("method", "sparsity", "test accuracy %", "margin over magnitude"),
    *("one-shot sparsity", "one-shot accuracy %", "compensated %"),
]


def test_columns_by_hand() -> None:
    found = table(SUMMARY)
    assert found.header == COLUMNS
    assert dict(zip(COLUMNS, zip(*found.rows, strict=True), strict=True)) == {
        "method": ("dense", "cqp", "cqp", "magnitude", "magnitude"),
        "sparsity": ("0 %", *["51.23 % (50 % asked)", "99.73 % (98.5 % asked)"] * 2),
        "test accuracy %": ("98.42 ± 0.11", "98.00 ± 0.20", "97.00 ± 0.20", "96.75 ± 0.20", "97.10"),
        "margin over magnitude": ("", "+1.25 ± 0.40 (p = 0.049)*", "-0.10 ± 0.40 (p = 0.05)", "", ""),
        "one-shot sparsity": ("", *["75 % (50 % asked)", "99.25 % (98.5 % asked)"] * 2),
        "one-shot accuracy %": ("", *["25.00 ± 1.00"] * 4),
        "compensated %": ("", *["75.00 ± 2.00"] * 2, "", ""),
    }
    assert found.caption.startswith("made: 134,528 synapses, protocol fair, mean ± 95 % t-interval over 3 seeds; ")
    assert "of one seed, so without an interval" in table(replace(SUMMARY, seeds=[4])).caption


def test_where_no_net_was_compensated_there_is_no_column_of_it() -> None:
    rows = SUMMARY.results.assign(one_shot_compensated=None)
    assert table(replace(SUMMARY, results=rows)).header == COLUMNS[:-1]


def test_one_shot_by_hand() -> None:
    plain, solved = one_shot(SUMMARY)
    assert plain.header == solved.header == ["method", "50 %", "98.5 %"]
    assert plain.rows == [[method, *["25.00 ± 1.00"] * 2] for method in ("cqp", "magnitude")]
    assert solved.rows == [["cqp", *["75.00 ± 2.00"] * 2]]  # no net of magnitude was solved anew
    assert one_shot(comparison_of(result("magnitude", 0.5, interval(0.9, 0.01)))) == one_shot(
        comparison_of(result("magnitude", 0.5, interval(0.8, 0.01)))
    )


def test_without_a_baseline_there_are_no_margins_and_that_is_said() -> None:
    alone = replace(SUMMARY, baseline=None)
    assert table(alone).header == [name for name in COLUMNS if "margin" not in name]
    assert {len(row) for row in table(alone).rows} == {len(COLUMNS) - 1}
    assert "there is no baseline (compare.baseline in params.yaml)" in table(alone).caption
    (accuracies,) = by_level(alone)
    assert "difference" not in accuracies.caption


def test_markdown_has_every_cell_in_aligned_columns() -> None:
    first, *others = by_level(SUMMARY)
    text = render_markdown(SUMMARY)
    assert all(one.caption in text for one in others)
    lines = text[: text.index(others[0].caption)].splitlines()[:-1]
    assert lines[:2] == [first.caption, ""]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert [cells[0], *cells[2:]] == [first.header, *first.rows]
    assert len({tuple(index for index, sign in enumerate(line) if sign == "|") for line in lines[2:]}) == 1


def on_target(method: str, level: float, **others: Any) -> dict[str, Any]:
    return {"method": method, "level": level, "sparsity": Interval(1, level)} | others


def test_a_users_own_method_has_its_row_and_what_is_no_rival_says_why() -> None:
    """osqp missed 90 %, membrane emptied a layer: both are far better, on validation too, and neither is the best."""
    high = {"accuracy": describe([0.99, 0.99]), "validation_accuracy": Interval(1, 0.99)}
    summary = comparison_of(
        on_target("mine", 0.5, accuracy=describe([0.9, 0.92]), validation_accuracy=Interval(1, 0.7)),
        on_target("mine", 0.9, margin=margin(0.1, 0.01, 0.02), validation_accuracy=Interval(1, 0.7)),
        on_target("magnitude", 0.5, validation_accuracy=Interval(1, 0.8)),
        on_target("magnitude", 0.9),
        on_target("osqp", 0.5, margin=margin(-0.01, 0.02, 0.2)),
        on_target("osqp", 0.9, nnz=[9], **high) | {"sparsity": Interval(1, 0.93)},
        on_target("membrane", 0.5),
        on_target("membrane", 0.9, empty_layers=1, **high),
    )
    accuracies, margins = by_level(summary)
    assert accuracies.caption.endswith('"No difference shown" is to magnitude, on test.')
    assert accuracies.header == margins.header == ["method", "50 %", "90 %"]
    assert accuracies.rows == [
        ["mine", "91.00 ± 12.71", "50.00"],
        ["magnitude", "50.00", "50.00"],
        ["osqp", "50.00", "99.00 ± 0.00 at 93 %"],
        ["membrane", "50.00", "99.00 ± 0.00 (empty layer)"],
        ["best by validation", "magnitude", "mine"],
    ]
    assert margins.caption.endswith("; p corrected for all 2 of these comparisons (Holm), * p < 0.05.")
    assert margins.rows == [["mine", "-", "+10.00 ± 1.00 (p = 0.02)*"], ["osqp", "-1.00 ± 2.00 (p = 0.20)", "-"]]
    assert "membrane (empties a layer)" in [row[0] for row in table(summary).rows]


@pytest.mark.parametrize(
    ("changes", "baseline", "text"),
    [
        (
            {"margin": margin(0.1, 0.01, 0.02)},
            "magnitude",
            ", +10.00 ± 1.00 points over magnitude (corrected p = 0.02).",
        ),
        (
            {"margin": margin(0.01, 0.02, 0.2)},
            "magnitude",
            ", +1.00 ± 2.00 points over magnitude (corrected p = 0.20): no difference shown.",
        ),
        ({"margin": Difference(1, 0.01)}, "magnitude", ", +1.00 points over magnitude: no difference shown."),
        ({"margin": None}, "magnitude", "; the baseline magnitude is no rival here."),
        ({"method": "magnitude"}, "magnitude", "; it is the baseline."),
        ({}, None, "; there is no baseline to hold it against."),
    ],
)
def test_the_best_says_whether_it_differs_from_the_baseline(
    changes: dict[str, Any], baseline: str | None, text: str
) -> None:
    found = replace(comparison_of(on_target("mine", 0.985) | changes), baseline=baseline)
    method = changes.get("method", "mine")
    assert (
        best_text(found, 0.985) == f"At 98.5 % sparsity the best by validation is {method}, with 50.00 % on test{text}"
    )
    none = replace(comparison_of(on_target("mine", 0.9, empty_layers=2)), baseline=baseline)
    assert best_text(none, 0.9) == "At 90 % sparsity no method keeps what was asked in every layer."


def test_tables_at_equal_energy() -> None:
    rows = [
        {"method": "mine", "saving": 0.8, "accuracy": interval(0.9, 0.01), "margin": margin(0.1, 0.01, 0.02)},
        {"method": "mine", "saving": 0.9, "accuracy": None, "margin": None},
        {"method": "magnitude", "saving": 0.8, "accuracy": interval(0.8, 0.01), "margin": None},
        {"method": "magnitude", "saving": 0.9, "accuracy": interval(0.7, 0.01), "margin": None},
        {"method": "random", "saving": 0.8, "accuracy": None, "margin": None},
        {"method": "random", "saving": 0.9, "accuracy": None, "margin": None},
    ]
    accuracies, margins = at_equal_energy(replace(SUMMARY, equal_energy=pd.DataFrame(rows)))
    assert accuracies.header == ["method", "80 % saved", "90 % saved"]
    assert accuracies.rows == [["mine", "90.00 ± 1.00", ""], ["magnitude", "80.00 ± 1.00", "70.00 ± 1.00"]]
    assert margins.rows == [["mine", "+10.00 ± 1.00 (p = 0.02)*", ""]]
    assert at_equal_energy(SUMMARY) == []
    none = pd.DataFrame(rows[-2:])
    assert at_equal_energy(replace(SUMMARY, equal_energy=none)) == []
