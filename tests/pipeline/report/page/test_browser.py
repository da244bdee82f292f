"""The pages in a browser, 390 and 1280 pixels wide: nothing sideways, nothing loaded, every link leads somewhere."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome

from tests.imports import PROJECT
from tests.pipeline.report.page.parsed import PAGES

MEASURE = """
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
  drawn: [...document.querySelectorAll('figure img')].map(image =>
    ({width: image.getBoundingClientRect().width, natural: image.naturalWidth})),
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
