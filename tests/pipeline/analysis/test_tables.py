"""The table for people: cells, text and Markdown of a summary made by hand."""

from typing import Any

import pytest

from pipeline.report.comparison.tables import HEADER, caption, cells, render_markdown, render_text, with_interval


def figures(mean: float, half: float | None = None, **more: Any) -> dict[str, Any]:
    if half is None:
        return {"n": 1, "mean": mean, "sd": None, "low": None, "high": None, **more}
    return {"n": 3, "mean": mean, "sd": half / 2, "low": mean - half, "high": mean + half, **more}


def result(method: str, level: float, accuracy: dict[str, Any], margin: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "method": method,
        "level": level,
        "keep": 10,
        "nnz": [10],
        "sparsity": figures(level + 0.0123, 0.0),
        "accuracy_before": figures(0.5, 0.03),
        "accuracy": accuracy,
        "one_shot_sparsity": figures((1 + level) / 2, 0.0),
        "one_shot_accuracy": figures(0.25, 0.01),
        "margin": margin,
    }


SUMMARY = {
    "experiment": "made",
    "protocol": "fair",
    "seeds": [0, 1, 2],
    "synapses": 134528,
    "dense": figures(0.9842, 0.0011),
    "results": [
        result("cqp", 0.5, figures(0.98, 0.002), figures(0.0125, 0.004, p=0.049)),
        result("cqp", 0.985, figures(0.97, 0.002), figures(-0.001, 0.004, p=0.05)),
        result("magnitude", 0.5, figures(0.9675, 0.002), None),
        result("magnitude", 0.985, figures(0.971), None),
    ],
}


def column(title: str) -> list[str]:
    return [row[HEADER.index(title)] for row in cells(SUMMARY)]


def test_columns_by_hand() -> None:
    assert all(len(row) == len(HEADER) for row in cells(SUMMARY))
    assert column("method") == ["dense", "cqp", "cqp", "magnitude", "magnitude"]
    assert column("level") == ["0", "0.5", "0.985", "0.5", "0.985"]
    assert column("achieved sparsity") == ["0.00 %", "51.23 %", "99.73 %", "51.23 %", "99.73 %"]
    assert column("test accuracy %") == ["98.42 ± 0.11", "98.00 ± 0.20", "97.00 ± 0.20", "96.75 ± 0.20", "97.10"]
    assert column("one-shot sparsity") == ["", "75.00 %", "99.25 %", "75.00 %", "99.25 %"]
    assert column("one-shot accuracy %") == ["", *["25.00 ± 1.00"] * 4]


def test_a_star_marks_a_margin_whose_p_is_under_5_percent() -> None:
    assert column("margin over magnitude") == ["", "+1.25 ± 0.40*", "-0.10 ± 0.40", "", ""]


def test_a_single_seed_has_no_interval_and_no_star() -> None:
    one = {**SUMMARY, "results": [result("cqp", 0.5, figures(0.98), figures(0.0125, p=None))]}
    row = cells(one)[1]
    assert row[HEADER.index("test accuracy %")] == "98.00"
    assert row[HEADER.index("margin over magnitude")] == "+1.25"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"figures": figures(0.12345, 0.00678)}, "12.35 ± 0.68"),
        ({"figures": figures(0.12345)}, "12.35"),
        ({"figures": figures(0.5, 0.25), "scale": 1, "sign": "+"}, "+0.50 ± 0.25"),
        ({"figures": figures(-0.5, 0.25), "scale": 1, "sign": "+"}, "-0.50 ± 0.25"),
    ],
)
def test_with_interval(given: dict[str, Any], expected: str) -> None:
    assert with_interval(**given) == expected


def test_caption() -> None:
    assert caption(SUMMARY).startswith("made: 134,528 synapses, protocol fair, 3 seeds, mean ± 95 % t-interval")
    assert "1 seed," in caption({**SUMMARY, "seeds": [4]})


def test_markdown_has_a_header_and_every_row() -> None:
    lines = render_markdown(SUMMARY).splitlines()
    assert lines[0] == caption(SUMMARY)
    assert lines[1] == ""
    assert lines[2] == "| " + " | ".join(HEADER) + " |"
    assert lines[3].count("|") == len(HEADER) + 1
    assert set(lines[3]) <= set("| -:")
    assert lines[4:] == ["| " + " | ".join(row) + " |" for row in cells(SUMMARY)]


def test_text_shows_every_cell_whole() -> None:
    text = render_text(SUMMARY)
    lines = text.splitlines()
    assert lines[0] == caption(SUMMARY)
    assert "\x1b" not in text
    assert all(title in text for title in HEADER)
    shown = [line for line in lines[1:] if line.split()[:1] in (["dense"], ["cqp"], ["magnitude"])]
    assert [line.split() for line in shown] == [" ".join(row).split() for row in cells(SUMMARY)]
