"""What a person meets in MLflow's pages, in a real browser: runs, grouping, charts, a figure, the lineage."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from flows.tracking import main
from scripts.mlflow_ui import enter, serve, wait_for_image, wait_for_points, wait_for_text
from tests.flows.conftest import enter as enter_project
from tests.flows.conftest import store_of

pytestmark = pytest.mark.slow

METHODS = ("cqp", "magnitude")


@pytest.fixture(scope="module")
def project(templates: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose results have all been shown in MLflow."""
    root = tmp_path_factory.mktemp("shown") / "project"
    with pytest.MonkeyPatch.context() as patched:
        enter_project(templates / "done", root, patched)
        assert main([]) == 0
    return root


@pytest.fixture(scope="module")
def address(project: Path, browser: Chrome) -> Iterator[str]:
    """The server's address; the browser has been through its first page."""
    with serve(project / "mlruns/mlflow.db") as served:
        enter(browser, served)
        yield served


def run_id(project: Path, name: str) -> str:
    client = MlflowClient(store_of(project))
    experiment = client.get_experiment_by_name("tiny")
    (run,) = client.search_runs([experiment.experiment_id], f"attributes.run_name = '{name}'")
    return run.info.run_id


def test_from_the_first_page_to_accuracy_against_sparsity(address: str, browser: Chrome) -> None:
    browser.get(address)
    wait_for_text(browser, "tiny")
    browser.find_element(By.LINK_TEXT, "tiny").click()
    wait_for_text(browser, "train/seed0", "prune/cqp/seed0", "compare")
    view = browser.find_element(By.LINK_TEXT, "Accuracy against sparsity").get_attribute("href")
    assert view.startswith(address)
    browser.get(view)  # the link opens in another tab
    wait_for_text(browser, "Group by: method", *(f"Group: {method}" for method in METHODS), "by_level/sparsity")
    wait_for_points(browser, len(METHODS) * 2 * 2)  # levels, charts
    assert "prune/cqp/seed0" not in browser.find_element(By.TAG_NAME, "body").text  # groups begin closed


def test_every_view_stands_in_the_menu(address: str, browser: Chrome) -> None:
    browser.get(f"{address}#/experiments/1/runs")
    wait_for_text(browser, "Views")
    browser.find_element(By.CSS_SELECTOR, "[data-testid=saved-views-trigger]").click()
    menu = (
        "Accuracy against sparsity",
        "Methods at 90 % sparsity",
        "Accuracy against energy, seed 0",
        "Training curves",
    )
    wait_for_text(browser, "SAVED VIEWS", *menu)


def test_training_curves_are_drawn(address: str, browser: Chrome) -> None:
    browser.get(f"{address}#/experiments/1/runs?compareRunsMode=CHART&viewStateShareKey=training")
    wait_for_text(browser, "train/seed0", "curve/loss")
    wait_for_points(browser, 2)


def test_a_figure_is_seen_among_the_artifacts(project: Path, address: str, browser: Chrome) -> None:
    compare = run_id(project, "compare")
    browser.get(f"{address}#/experiments/1/runs/{compare}/artifacts/figures/curve.svg")
    wait_for_image(browser)


def test_a_run_shows_its_lineage_dataset_and_numbers(project: Path, address: str, browser: Chrome) -> None:
    run = MlflowClient(store_of(project)).get_run(run_id(project, "prune/cqp/seed0"))
    browser.get(f"{address}#/experiments/1/runs/{run.info.run_id}")
    wait_for_text(browser, run.data.tags["git_commit"], run.data.tags["dvc_hash"], "python stage.py prune tiny cqp 0")
    wait_for_text(browser, "tiny-images", "cqp@0.50/seed0", "accuracy_at_0.5", "prune.finetune.epochs")


def test_a_level_has_a_model(project: Path, address: str, browser: Chrome) -> None:
    level = run_id(project, "cqp@0.50/seed0")
    browser.get(f"{address}#/experiments/1/runs/{level}")
    wait_for_text(browser, "Logged models", "cqp@0-50-seed0")
