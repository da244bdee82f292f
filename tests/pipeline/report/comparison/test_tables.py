"""The comparison's table for people: cells, text and Markdown of a summary made by hand."""

from dataclasses import replace

from pipeline.report.comparison.summary import Comparison, Result
from pipeline.report.comparison.tables import HEADER, caption, cells, render_markdown, render_text
from pipeline.report.statistics import Difference, Interval


def interval(mean: float, half: float) -> Interval:
    return Interval(3, mean, half / 2, mean - half, mean + half)


def margin(mean: float, half: float, p: float) -> Difference:
    return Difference(3, mean, half / 2, mean - half, mean + half, p)


def result(method: str, level: float, accuracy: Interval, over_magnitude: Difference | None) -> Result:
    return Result(
        method=method,
        level=level,
        keep=10,
        nnz=[10],
        sparsity=interval(level + 0.0123, 0.0),
        accuracy_before=interval(0.5, 0.03),
        accuracy=accuracy,
        one_shot_sparsity=interval((1 + level) / 2, 0.0),
        one_shot_accuracy=interval(0.25, 0.01),
        margin=over_magnitude,
    )


SUMMARY = Comparison(
    experiment="made",
    protocol="fair",
    seeds=[0, 1, 2],
    synapses=134528,
    dense=interval(0.9842, 0.0011),
    results=[
        result("cqp", 0.5, interval(0.98, 0.002), margin(0.0125, 0.004, 0.049)),
        result("cqp", 0.985, interval(0.97, 0.002), margin(-0.001, 0.004, 0.05)),
        result("magnitude", 0.5, interval(0.9675, 0.002), None),
        result("magnitude", 0.985, Interval(1, 0.971), None),
    ],
)


def test_columns_by_hand() -> None:
    columns = dict(zip(HEADER, zip(*cells(SUMMARY), strict=True), strict=True))
    assert columns == {
        "method": ("dense", "cqp", "cqp", "magnitude", "magnitude"),
        "level": ("0", "0.5", "0.985", "0.5", "0.985"),
        "achieved sparsity": ("0.00 %", "51.23 %", "99.73 %", "51.23 %", "99.73 %"),
        "test accuracy %": ("98.42 ± 0.11", "98.00 ± 0.20", "97.00 ± 0.20", "96.75 ± 0.20", "97.10"),
        "margin over magnitude": ("", "+1.25 ± 0.40*", "-0.10 ± 0.40", "", ""),
        "one-shot sparsity": ("", "75.00 %", "99.25 %", "75.00 %", "99.25 %"),
        "one-shot accuracy %": ("", *["25.00 ± 1.00"] * 4),
    }


def test_caption() -> None:
    assert caption(SUMMARY).startswith("made: 134,528 synapses, protocol fair, 3 seeds, ")
    assert "1 seed," in caption(replace(SUMMARY, seeds=[4]))


def test_markdown_and_text_have_every_cell() -> None:
    lines = render_markdown(SUMMARY).splitlines()
    assert lines[:3] == [caption(SUMMARY), "", "| " + " | ".join(HEADER) + " |"]
    assert lines[4:] == ["| " + " | ".join(row) + " |" for row in cells(SUMMARY)]
    text = render_text(SUMMARY).splitlines()
    assert text[0] == caption(SUMMARY)
    rows = [line.split() for line in text[1:] if line.split()[:1] in (["dense"], ["cqp"], ["magnitude"])]
    assert rows == [" ".join(row).split() for row in cells(SUMMARY)]
