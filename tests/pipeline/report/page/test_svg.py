"""Inlining a figure: small, described, the same picture, and no id in common with another figure."""

import re

import pytest
from matplotlib.figure import Figure

from pipeline.report.page.svg import inline_svg, width_of
from pipeline.report.style import as_svg, look, panels
from tests.pipeline.report.page.parsed import Parsed

SVG = (
    '<?xml version="1.0"?>\n<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/svg11.dtd">\n'
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="72pt" height="36pt">'
    "<metadata><a>2026</a></metadata><!-- a comment --><defs><style>*{stroke-linejoin: round}</style>"
    '<path id="mark" d="M 0.123456 1 \nL 2.999 -0.5 \n" transform="scale(0.015625)"/>'
    '<clipPath id="clip"><rect x="1" y="2" width="3.00001" height="4"/></clipPath></defs>'
    '<g id="unused"><use xlink:href="#mark" transform="translate(63.625 0)" style="fill: #fff"/></g>'
    '<g clip-path="url(#clip)"><path d="M 1 1" style="stroke: #000"/></g></svg>'
)


def drawn(values: list[float]) -> str:
    """A real figure with markers, ticks, a legend and clipped lines."""
    figure, axes = panels(2, "made", (8, 3))
    for index, method in enumerate(("cqp", "magnitude")):
        axes[0].plot(range(len(values)), values, label=method, **look(method, index))
        axes[1].plot(values, values, **look(method, index))
    axes[0].legend()
    return as_svg(figure)


def test_what_is_referred_to_keeps_an_id_that_begins_with_the_prefix() -> None:
    parsed = Parsed(inline_svg(SVG, "f1", "A curve."))
    assert sorted(parsed.ids) == ["f1-0", "f1-1", "f1-title"]
    assert parsed.referred == set(parsed.ids)


def test_figures_of_the_same_ids_do_not_clash_on_a_page() -> None:
    """matplotlib names marks and glyphs by their content: two figures share them, clip paths included."""
    first, second = drawn([1, 2, 3]), drawn([1, 2, 3])
    assert set(re.findall(r' id="([^"]+)"', first)) & set(re.findall(r' id="([^"]+)"', second))
    together = Parsed(inline_svg(first, "f1", "One.") + inline_svg(second, "f2", "Two."))
    assert len(together.ids) == len(set(together.ids)) > 20
    assert together.referred == set(together.ids)
    for prefix in ("f1", "f2"):  # no mark is drawn by the other figure's definition
        alone = Parsed(inline_svg(first if prefix == "f1" else second, prefix, "It."))
        assert all(name.startswith(f"{prefix}-") for name in alone.referred)


def test_a_figure_says_what_it_is() -> None:
    text = inline_svg(SVG, "f1", "Before <b> & after")
    assert 'role="img" aria-labelledby="f1-title"' in text
    assert '<title id="f1-title">Before &lt;b&gt; &amp; after</title>' in text


def test_what_no_picture_needs_is_gone_and_coordinates_are_short() -> None:
    text = inline_svg(SVG, "f1", "A curve.")
    for gone in ("<?xml", "<!DOCTYPE", "metadata", "comment", "<style", "unused", "http:", "pt"):
        assert gone not in text
    assert 'd="M0.123456 1 L3 -0.5" transform="scale(0.015625)"' in text  # what may be a scale keeps its digits
    assert '<rect x="1" y="2" width="3" height="4"/>' in text
    assert '<use href="#f1-0" style="fill:#fff" x="63.62"/>' in text  # the translation as coordinates
    assert len(inline_svg(drawn([1, 2, 3]), "f1", "It.")) < 0.7 * len(drawn([1, 2, 3]))


def test_marks_of_one_style_have_it_from_their_group() -> None:
    figure, (axes,) = panels(1, "made", (4, 3))
    axes.plot(range(50), **look("cqp"))
    text = inline_svg(as_svg(figure), "f1", "It.")
    assert text.count("#0072b2") < 5


def test_every_mark_and_curve_is_still_there() -> None:
    svg = drawn([1, 2.5, 3])
    text = inline_svg(svg, "f1", "It.")
    assert text.count("<use") == svg.count("<use")
    assert text.count("<path") == svg.count("<path")


def test_the_same_figure_gives_the_same_markup() -> None:
    assert inline_svg(drawn([1, 2]), "f1", "It.") == inline_svg(drawn([1, 2]), "f1", "It.")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<p>no picture</p>", "the root element is p"),
        ("no picture", "not an SVG document"),
        ("<svg", "not an SVG document"),
        ('<svg xmlns="http://www.w3.org/2000/svg"><use href="#gone"/></svg>', "ids that it does not have: gone"),
    ],
)
def test_what_is_no_svg_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        inline_svg(text, "f1", "It.")


def test_the_width_comes_from_the_viewbox_or_the_size() -> None:
    assert width_of(inline_svg(SVG, "f1", "It.")) == 72
    figure = Figure(figsize=(5, 2))
    assert width_of(inline_svg(as_svg(figure), "f1", "It.")) == 360
    with pytest.raises(ValueError, match="neither a viewBox nor a width"):
        width_of(inline_svg('<svg xmlns="http://www.w3.org/2000/svg"/>', "f1", "It."))
