"""The order of the tests, where they find real data, and a browser for those of the pages that people look at."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

BESIDE = Path(__file__).resolve().parents[2] / "shared"
if BESIDE.is_dir():
    os.environ.setdefault("SNN_DATA_DIR", str(BESIDE))


def pytest_xdist_auto_num_workers() -> int | None:
    """One more than there are cores: the slow tests wait for processes, servers and disks half of their time."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files begin: the tests of a file run in one process, and none is to be left alone with many in the end."""
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
