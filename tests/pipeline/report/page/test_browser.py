"""The pages in a real browser, 390 and 1280 pixels wide: nothing sideways, nothing loaded, every link leads somewhere.

The page is put into a frame of that width: a browser without a screen makes no window as narrow as a phone.
"""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.imports import PROJECT

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
PAGES = sorted(path.relative_to(PROJECT) for path in PROJECT.glob("results/*/report/index.html"))
MEASURE = """
frame.onload = () => {
  const page = frame.contentDocument, view = frame.contentWindow, root = page.documentElement;
  const wide = [...page.querySelectorAll('body *')].filter(e => !e.closest('.frame, svg, .skip')
    && e.getBoundingClientRect().right > root.clientWidth + 1);
  const links = [...page.querySelectorAll('a[href^="#"]')].map(a => a.getAttribute('href').slice(1));
  const drawn = [...page.querySelectorAll('figure img')].map(image =>
    ({width: image.getBoundingClientRect().width, natural: image.naturalWidth}));
  document.body.textContent = JSON.stringify({
    inner: view.innerWidth, client: root.clientWidth, scroll: root.scrollWidth, body: page.body.scrollWidth,
    wide: wide.map(e => e.tagName + '.' + e.className + ' ' + e.textContent.slice(0, 40)),
    links: links.length, dead: links.filter(id => !page.getElementById(id)),
    loaded: view.performance.getEntriesByType('resource').map(entry => entry.name)
      .filter(name => !name.startsWith('data:')),
    drawn: drawn,
  });
};
"""


@pytest.fixture(scope="module")
def browser() -> str:
    """The browser's command."""
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome on the PATH: install one to test the page in a browser")
    return BROWSER


def measure(browser: str, page: str, width: int, folder: Path) -> dict[str, Any]:
    """What the browser finds in the page when it is `width` pixels wide."""
    around = folder / "around.html"
    frame = f'<iframe id="frame" style="border:0;width:{width}px;height:800px"></iframe>'
    script = f"const frame = document.getElementById('frame');{MEASURE}frame.srcdoc = document.title;"
    around.write_text(
        f"<title>{html.escape(page)}</title><body style='margin:0'>{frame}<script>{script}</script>", encoding="utf-8"
    )
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
    done = subprocess.run(
        [
            browser,
            *options,
            f"--user-data-dir={folder / 'profile'}",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--window-size=1400,900",
            "--virtual-time-budget=20000",
            "--dump-dom",
            around.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=180,
    )
    found = re.search(r"<body[^>]*>(\{.*\})</body>", done.stdout, flags=re.DOTALL)
    assert found, f"the browser measured nothing:\n{done.stderr[-2000:]}"
    return json.loads(html.unescape(found[1]))


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("file", PAGES, ids=str)
def test_a_page_fits_its_width(file: Path, width: int, browser: str, tmp_path: Path) -> None:
    found = measure(browser, (PROJECT / file).read_text(encoding="utf-8"), width, tmp_path)
    assert found["inner"] == width
    assert found["scroll"] <= found["client"], f"wider than the page: {found['wide']}"
    assert found["body"] <= found["client"]
    assert not found["wide"]
    assert found["links"] > 10
    assert not found["dead"]
    assert not found["loaded"]
    # A point of a figure is at least a pixel, so that its 8 to 10 points stay legible; it scrolls in its frame.
    assert found["drawn"]
    assert all(drawing["width"] >= 0.75 * drawing["natural"] > 0 for drawing in found["drawn"])


def test_a_page_that_is_too_wide_or_loads_something_is_found_out(browser: str, tmp_path: Path) -> None:
    """What the test above rests on."""
    page = "<body><div style='width:900px'>wide</div><a href='#gone'>link</a><img src='http://example.org/a.png'>"
    found = measure(browser, page, 390, tmp_path)
    assert found["scroll"] > found["client"]
    assert found["dead"] == ["gone"]
    assert found["loaded"] == ["http://example.org/a.png"]
    assert len(found["wide"]) == 1
