"""The pages in a browser, 390 and 1280 pixels wide: nothing sideways, nothing loaded, every link leads somewhere."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from selenium.webdriver import Chrome

from pipeline.report.page.content import PageFigure, PageTable, Section
from pipeline.report.page.page import render_page
from pipeline.report.statistics import Interval
from pipeline.report.style import Drawing, draw_intervals, legend_below, look, panels
from tests.imports import PROJECT
from tests.pipeline.report.page.parsed import PAGES
from tests.pipeline.report.page.test_page import made_page

MEASURE = """
document.querySelectorAll('details').forEach(part => part.open = true);
const root = document.documentElement;
const wide = [...document.body.querySelectorAll('*')].filter(e => !e.closest('.frame, svg, .skip')
  && e.getBoundingClientRect().right > root.clientWidth + 1);
const links = [...document.querySelectorAll('a[href^="#"]')].map(a => a.getAttribute('href').slice(1));
return {
  inner: innerWidth, client: root.clientWidth, scroll: root.scrollWidth, body: document.body.scrollWidth,
  wide: wide.map(e => e.tagName + '.' + e.className + ' ' + e.textContent.slice(0, 40)),
  links: links.length, dead: links.filter(id => !document.getElementById(id)),
  loaded: performance.getEntriesByType('resource').map(entry => entry.name).filter(name => !name.startsWith('data:')),
  captions: [...document.querySelectorAll('caption span')].map(e => e.getBoundingClientRect().width),
  numerals: [...document.querySelectorAll('nav ol')].map(e => parseFloat(getComputedStyle(e).paddingLeft)
    / parseFloat(getComputedStyle(e).fontSize)),
  drawn: [...document.querySelectorAll('figure img, .chart')].map(image => ({width: image.getBoundingClientRect().width,
    natural: image.naturalWidth ?? image.shadowRoot.querySelector('svg').width.baseVal.value})),
};
"""
Measure = Callable[[Path, int], dict[str, Any]]


@pytest.fixture
def measure(browser: Chrome) -> Iterator[Measure]:
    """What the browser finds in a page that is so many pixels wide."""

    def resize(width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def found_in(page: Path, width: int) -> dict[str, Any]:
        resize(width, 800)
        browser.get(page.as_uri())
        return browser.execute_script(MEASURE)

    yield found_in
    resize(1600, 1200)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("file", PAGES, ids=str)
def test_a_page_fits_its_width(file: Path, width: int, measure: Measure) -> None:
    found = measure(PROJECT / file, width)
    assert found["inner"] == width
    assert found["scroll"] <= found["client"], f"wider than the page: {found['wide']}"
    assert found["body"] <= found["client"]
    assert not found["wide"]
    assert found["links"] > 10
    assert not found["dead"]
    assert not found["loaded"]
    assert min(found["captions"]) > 300  # also over a narrow table
    assert min(found["numerals"]) >= 2.2  # `16. ` stands inside the list, which cuts off what is left of it
    # A point of a figure is at least a pixel, so that its 8 to 10 points stay legible; it scrolls in its frame.
    assert found["drawn"]
    assert all(drawing["width"] >= 0.75 * drawing["natural"] > 0 for drawing in found["drawn"])


def two_lines(summary: None) -> Figure:
    """Lines a and b, with intervals, in a figure with a legend."""
    figure, (axes,) = panels("made", (5, 3), "accuracy (%)", x="level")
    for label, at in (("a", 0.9), ("b", 0.8)):
        draw_intervals(
            axes,
            [1, 2],
            [Interval(2, at, 0.1, at - half, at + half) for half in (0.01, 0.02)],
            label=label,
            **look(label),
        )
    legend_below(figure, axes, columns=2)
    return figure


@pytest.fixture
def interactive(browser: Chrome, tmp_path: Path) -> Chrome:
    """A page with twice that figure and a folded table."""
    figure = PageFigure(Drawing("two", "", two_lines).svg(None), "Two lines.")
    table = PageTable("Many.", ["row"], [["1"]] * 30)
    sections = [Section("first", "First", [], [figure]), Section("second", "Second", [], [figure], [table])]
    file = tmp_path / "page.html"
    file.write_text(render_page(made_page(sections=sections)), encoding="utf-8")
    browser.get(file.as_uri())
    return browser


CHART = "const root = document.querySelectorAll('.chart')[{}].shadowRoot; "
SHOWN = CHART + "return getComputedStyle(root.getElementById('series0-0')).display !== 'none'"
KEY = CHART + (
    "const name = root.querySelector('[role=button][aria-label=a]'); name.focus();"
    "name.dispatchEvent(new KeyboardEvent('keydown', {{key: '{}', shiftKey: {}, cancelable: true}}));"
    "return [name.getAttribute('aria-pressed'), root.querySelector('.tip').textContent]"
)


def test_a_name_in_the_legend_hides_its_line_in_every_figure(interactive: Chrome) -> None:
    assert interactive.execute_script(KEY.format(0, "Enter", "false"))[0] == "false"
    assert [interactive.execute_script(SHOWN.format(number)) for number in (0, 1)] == [False, False]
    interactive.execute_script("document.querySelector('.hint button').click()")
    assert [interactive.execute_script(SHOWN.format(number)) for number in (0, 1)] == [True, True]


def test_points_say_their_values_to_the_mouse_and_to_the_keyboard(interactive: Chrome) -> None:
    said = [interactive.execute_script(KEY.format(0, "ArrowRight", "false"))[1] for _ in range(3)]
    assert said == ["a: 90 ± 1 at 1", "a: 90 ± 2 at 2", "a: 90 ± 2 at 2"]
    point = (
        CHART.format(0) + "const mark = root.getElementById('series1-0').querySelector('use').getBoundingClientRect();"
        "const at = {clientX: mark.x + mark.width / 2, clientY: mark.y + mark.height / 2, bubbles: true};"
        "root.querySelector('svg').dispatchEvent(new PointerEvent('pointermove', at));"
        "return root.querySelector('.tip').textContent"
    )
    assert interactive.execute_script(point) == "b: 80 ± 1 at 1"


def test_all_is_unfolded_in_print_and_what_a_link_leads_to(interactive: Chrome) -> None:
    opened = "return [...document.querySelectorAll('details')].map(part => part.open)"
    assert not any(interactive.execute_script(opened))
    interactive.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert all(interactive.execute_script(opened))
    interactive.execute_script("dispatchEvent(new Event('afterprint'))")
    assert not any(interactive.execute_script(opened))
    interactive.execute_script("location.hash = 'claim-cqp_at_90'; dispatchEvent(new Event('hashchange'))")
    assert interactive.execute_script("return document.getElementById('claim-cqp_at_90').open")


def test_a_page_that_is_too_wide_or_loads_something_is_found_out(measure: Measure, tmp_path: Path) -> None:
    """What the test above rests on."""
    page = tmp_path / "page.html"
    wide = "<div style='width:900px'>wide</div>"
    page.write_text(f"<body>{wide}<a href='#gone'>link</a><img src='http://example.org/a.png'>")
    found = measure(page, 390)
    assert found["scroll"] > found["client"]
    assert found["dead"] == ["gone"]
    assert found["loaded"] == ["http://example.org/a.png"]
    assert len(found["wide"]) == 1
