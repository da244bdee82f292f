"""The report page: self-contained, complete, and safe against markup in names."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipeline.analysis.figures import sparsity_error
from pipeline.analysis.style import save_svg
from pipeline.report.page import PageFigure, inline_svg, render_page

HEADER = ["method", "level", "accuracy"]
ROWS = [["dense", "0", "98.00 ± 0.10"], ["cqp", "0.9", "97.10 ± 0.30"], ["magnitude", "0.9", "95.20"]]
SVG = '<?xml version="1.0"?>\n<!DOCTYPE svg>\n<svg xmlns="http://www.w3.org/2000/svg"><g id="mark"/></svg>\n'


class Page(HTMLParser):
    """Collects tags, attributes, table cells and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.cells: list[list[str]] = []
        self.text = ""
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in_cell:
            self.cells[-1][-1] += data


def page(experiment: str = "made", rows: list[list[str]] = ROWS, svg: str = SVG) -> str:
    return render_page(
        experiment, "three rows", HEADER, rows, [PageFigure(svg, "See the fall.", f"dvc repro compare@{experiment}")]
    )


@pytest.fixture
def drawn(tmp_path: Path) -> str:
    """A real figure."""
    results = [
        {"method": "cqp", "level": level, "sparsity": {"mean": level}, "one_shot_sparsity": {"mean": level}}
        for level in (0.5, 0.9)
    ]
    save_svg(sparsity_error({"experiment": "made", "results": results}), tmp_path / "figure.svg")
    return (tmp_path / "figure.svg").read_text(encoding="utf-8")


def test_every_row_and_every_figure_is_there() -> None:
    parsed = Page(page())
    assert parsed.cells == [HEADER, *ROWS]
    assert "three rows." in parsed.text
    assert "See the fall. Made by dvc repro compare@made." in parsed.text
    assert ("id", "mark") in parsed.attributes


def test_findings_are_a_list_under_their_figure() -> None:
    figures = [PageFigure(SVG, "One.", "a", ["first <b>", "second"]), PageFigure(SVG, "Two.", "b")]
    text = render_page("made", "three rows", HEADER, ROWS, figures)
    with_list, without = text.split("<figure>")[1:]
    assert re.findall("<li>(.*)</li>", with_list) == ["first &lt;b&gt;", "second"]
    assert "<ul>" not in without
    assert "b" not in Page(text).tags


def test_nothing_is_loaded_from_elsewhere(drawn: str) -> None:
    text = page(svg=drawn)
    parsed = Page(text)
    assert "svg" in parsed.tags
    assert not {"script", "link", "iframe", "img", "object", "embed", "base"} & set(parsed.tags)
    assert not {name for name, _ in parsed.attributes if name.startswith("on") or name in ("src", "srcset", "data")}
    assert all(value.startswith("#") for name, value in parsed.attributes if name.endswith("href"))
    assert "@import" not in text
    assert all(target.startswith("#") for target in re.findall(r"url\(['\"]?([^)]*)\)", text))
    # What is left are names of namespaces, and where matplotlib's metadata say what the picture is.
    remote = {name for name, value in parsed.attributes if re.match("(https?:)?//", value)}
    assert remote <= {"xmlns", "xmlns:xlink", "xmlns:cc", "xmlns:dc", "xmlns:rdf", "rdf:resource"}


def test_the_same_input_gives_the_same_page(drawn: str) -> None:
    assert page(svg=drawn) == page(svg=drawn)


def test_markup_in_names_is_escaped() -> None:
    evil = "<script>alert('x')</script>&"
    text = page(experiment=evil, rows=[[evil, "0.9", "1"]])
    parsed = Page(text)
    assert "script" not in parsed.tags
    assert "<script" not in text
    assert parsed.cells[1] == [evil, "0.9", "1"]
    assert f"dvc repro compare@{evil}" in parsed.text


def test_of_an_svg_file_the_element_alone_is_inlined() -> None:
    assert inline_svg(SVG) == '<svg xmlns="http://www.w3.org/2000/svg"><g id="mark"/></svg>\n'
    assert page().count("<!DOCTYPE") + page().count("<!doctype") == 1
    assert "<?xml" not in page()


def test_a_file_that_is_no_svg_is_refused() -> None:
    with pytest.raises(ValueError, match="substring not found"):
        inline_svg("<p>no picture</p>")
