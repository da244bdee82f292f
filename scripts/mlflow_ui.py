"""MLflow's pages for a project's local store, served while they are needed, and the ways of a hand on them."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import element_to_be_clickable
from selenium.webdriver.support.ui import WebDriverWait

from flows.environment import HOST, set_defaults, stage_environment
from flows.tracking.location import local_uri
from flows.tracking.ui import server_command

STARTS_WITHIN = 120.0  # seconds; it takes 10 on two idle cores
SHOWS_WITHIN = 60.0


@contextmanager
def serve(database: Path) -> Iterator[str]:
    """Serve a store on a free port of 127.0.0.1; yields the address.

    Raises:
        RuntimeError: the server ended, or does not answer in time.
    """
    set_defaults()
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        server_command(local_uri(database), port),
        env=stage_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # it starts processes of its own, which are ended with it
    )
    try:
        wait_for(f"http://{HOST}:{port}/health", server)
        yield f"http://{HOST}:{port}/"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def wait_for_text(browser: Chrome, *texts: str) -> None:
    """Wait until the page shows every one of the texts; selenium's TimeoutException says what was missing."""
    for text in texts:
        WebDriverWait(browser, SHOWS_WITHIN).until(
            lambda page, text=text: text in page.find_element(By.TAG_NAME, "body").text, f"the page lacks {text!r}"
        )


def wait_for_points(browser: Chrome, count: int) -> None:
    """Wait until the page's charts have at least `count` points or bars."""
    WebDriverWait(browser, SHOWS_WITHIN).until(
        lambda page: (
            len(page.find_elements(By.CSS_SELECTOR, ".js-plotly-plot path.point, .js-plotly-plot .bars path")) >= count
        ),
        f"fewer than {count} points in the charts",
    )


def wait_for_image(browser: Chrome) -> None:
    """Wait until the page shows a picture from the artifacts."""
    WebDriverWait(browser, SHOWS_WITHIN).until(
        lambda page: page.execute_script(
            "return [...document.querySelectorAll('img')].some(i => i.src.startsWith('blob:') && i.naturalWidth > 0)"
        ),
        "no picture",
    )


def enter(browser: Chrome, address: str) -> None:
    """Open the first page, close the assistant beside it and choose model training, as one does once."""
    browser.get(address)
    for part in ((By.CSS_SELECTOR, "button[aria-label=Close]"), (By.XPATH, "//*[text()='Model training']")):
        WebDriverWait(browser, SHOWS_WITHIN).until(element_to_be_clickable(part)).click()


def wait_for(url: str, server: subprocess.Popen) -> None:
    """Wait until a server answers. Raises RuntimeError when it ended, or does not in time."""
    end = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError(f"`mlflow ui` ended with exit code {server.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"{url} did not answer within {STARTS_WITHIN:g} seconds")
