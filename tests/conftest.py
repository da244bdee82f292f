"""How the tests are shared out among processes, where they find real data, and a browser for pages."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

TESTS = Path(__file__).resolve().parent
BESIDE = TESTS.parents[1] / "shared"
if BESIDE.is_dir():
    os.environ.setdefault("SNN_DATA_DIR", str(BESIDE))


def pytest_itemcollected(item: pytest.Item) -> None:
    """The tests of a file run in one process, and so do those that share a fixture which takes long to make."""
    shared = [name for name in ("finished", "server") if name in item.fixturenames]
    item.add_marker(pytest.mark.xdist_group(shared[0] if shared else item.path.relative_to(TESTS).as_posix()))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files begin, so that no process is left alone with one in the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def browser() -> "Iterator[Chrome]":
    """Headless Chromium; where there is none the test is skipped, but in continuous integration it fails."""
    from scripts.browser import BrowserMissing, open_browser

    try:
        with open_browser(1600, 1200) as opened:
            yield opened
    except BrowserMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))
