"""The comparison's tables for people: cells and Markdown of results made by hand."""

from dataclasses import replace
from typing import Any

from pipeline.report.comparison.tables import COLUMNS, by_level, render_markdown, table
from pipeline.report.statistics import Difference, Interval, describe
from tests.pipeline.report.tables import comparison_of


def interval(mean: float, half: float) -> Interval:
    return Interval(3, mean, half / 2, mean - half, mean + half)


def margin(mean: float, half: float, p: float) -> Difference:
    return Difference(3, mean, half / 2, mean - half, mean + half, p)


def result(method: str, level: float, accuracy: Interval, over_magnitude: Difference | None = None) -> dict[str, Any]:
    """A result that achieved 1.23 points more than its level."""
    return {
        "method": method,
        "level": level,
        "sparsity": interval(level + 0.0123, 0.0),
        "accuracy": accuracy,
        "one_shot_sparsity": interval((1 + level) / 2, 0.0),
        "one_shot_accuracy": interval(0.25, 0.01),
        "margin": over_magnitude,
    }


SUMMARY = comparison_of(
    result("cqp", 0.5, interval(0.98, 0.002), margin(0.0125, 0.004, 0.049)),
    result("cqp", 0.985, interval(0.97, 0.002), margin(-0.001, 0.004, 0.05)),
    result("magnitude", 0.5, interval(0.9675, 0.002)),
    result("magnitude", 0.985, Interval(1, 0.971)),
    dense=interval(0.9842, 0.0011),
)


def test_columns_by_hand() -> None:
    assert dict(zip(COLUMNS, zip(*table(SUMMARY).rows, strict=True), strict=True)) == {
        "method": ("dense", "cqp", "cqp", "magnitude", "magnitude"),
        "level": ("0", "0.5", "0.985", "0.5", "0.985"),
        "achieved sparsity": ("0.00 %", "51.23 %", "99.73 %", "51.23 %", "99.73 %"),
        "test accuracy %": ("98.42 ± 0.11", "98.00 ± 0.20", "97.00 ± 0.20", "96.75 ± 0.20", "97.10"),
        "margin over magnitude": ("", "+1.25 ± 0.40*", "-0.10 ± 0.40", "", ""),
        "one-shot sparsity": ("", "75.00 %", "99.25 %", "75.00 %", "99.25 %"),
        "one-shot accuracy %": ("", *["25.00 ± 1.00"] * 4),
    }
    assert table(SUMMARY).caption.startswith("made: 134,528 synapses, protocol fair, 3 seeds, ")
    assert "1 seed," in table(replace(SUMMARY, seeds=[4])).caption


def test_markdown_has_every_cell_in_aligned_columns() -> None:
    lines = render_markdown(SUMMARY).splitlines()
    assert lines[:2] == [table(SUMMARY).caption, ""]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert [cells[0], *cells[2:]] == [[*COLUMNS], *table(SUMMARY).rows]
    assert len({tuple(index for index, sign in enumerate(line) if sign == "|") for line in lines[2:]}) == 1


def test_a_row_per_level_and_columns_for_what_there_is() -> None:
    on_target = [
        {"method": method, "level": level, "accuracy": describe([mean, mean + 0.02]), "sparsity": Interval(1, level)}
        for method, mean in {"cqp": 0.9, "magnitude": 0.8}.items()
        for level in (0.9, 0.5)
    ]
    on_target[0]["margin"] = margin(0.1, 0.01, 0.2)
    missed = {"method": "osqp", "sparsity": Interval(1, 0.93), "nnz": [9]}
    summary = comparison_of(*on_target, missed | {"level": 0.9}, missed | {"level": 0.5, "sparsity": Interval(1, 0.5)})
    found = by_level(summary)
    assert found.header == ["sparsity", "cqp", "magnitude", "osqp", "cqp over magnitude", "osqp, achieved"]
    assert found.rows == [
        ["50 %", "91.00 ± 12.71", "81.00 ± 12.71", "50.00", "", "50.00 %"],
        ["90 %", "91.00 ± 12.71", "81.00 ± 12.71", "50.00", "+10.00 ± 1.00", "93.00 %"],
    ]
    alone = by_level(comparison_of(on_target[1]))
    assert (alone.header, alone.rows) == (["sparsity", "cqp"], [["50 %", "91.00 ± 12.71"]])
