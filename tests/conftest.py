"""A browser for the tests of the pages that people look at."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome


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
