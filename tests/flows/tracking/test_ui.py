"""`snnprune ui` serves the project's store, and a person finds the views of an experiment in a real browser."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from flows.tracking import ui
from flows.tracking.replay import track
from flows.tracking.ui import open_ui
from scripts.mlflow_ui import enter, wait_for_points, wait_for_text
from snnprune.core.errors import UserError
from tests.processes import free_port

METHODS = ("cqp", "magnitude")
COMMAND = "import sys; from flows.tracking.ui import open_ui; open_ui(int(sys.argv[1]))"


@contextmanager
def opened(port: int) -> Iterator[str]:
    """The address that the command prints, which answers then; Ctrl-C ends it."""
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        address = next(line.split()[1] for line in process.stdout if line.startswith("MLflow: http"))  # after its own
        with urlopen(f"{address}/health", timeout=10):
            pass
        yield f"{address}/"
    finally:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        process.wait(timeout=30)


@pytest.mark.slow
def test_from_the_first_page_to_accuracy_against_sparsity(project: Path, browser: Chrome) -> None:
    track()
    with opened(free_port()) as address:
        enter(browser, address)
        wait_for_text(browser, "tiny")
        browser.find_element(By.LINK_TEXT, "tiny").click()
        wait_for_text(browser, "train/seed0", "prune/cqp/seed0", "evaluate", "compare")
        view = browser.find_element(By.LINK_TEXT, "Accuracy against sparsity").get_attribute("href")
        assert view.startswith(address)
        browser.get(view)  # the link opens in another tab
        wait_for_text(browser, "Group by: method", *(f"Group: {method}" for method in METHODS), "by_level/sparsity")
        wait_for_points(browser, len(METHODS) * 2 * 2)  # levels, charts


def test_a_server_that_ends_is_an_error_and_no_address_is_printed(project: Path, monkeypatch, capfd) -> None:
    monkeypatch.setattr(ui, "server_command", lambda uri, port: [sys.executable, "-c", "import sys; sys.exit(3)"])
    with pytest.raises(UserError, match="MLflow's server ended with exit code 3; its lines above say why"):
        open_ui(free_port())
    assert "http" not in capfd.readouterr().out


def test_a_port_in_use_a_missing_store_and_a_server_are_named(project: Path, monkeypatch, capsys) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} of 127.0.0.1 cannot be used .*; choose another: --port"):
            open_ui(port)
    (project / "mlruns/mlflow.db").unlink()
    with pytest.raises(UserError, match="mlflow.db was not found; `snnprune run` or `snnprune track` makes it"):
        open_ui(port)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host:5000")
    open_ui(port)
    assert capsys.readouterr().out == "MLFLOW_TRACKING_URI is set: open http://host:5000\n"
