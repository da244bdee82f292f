"""Takes the README's pictures: MLflow's pages for a real store, and DVC's plots, in a real browser.

`snnprune track` fills the store first. The pictures are PNG, 1280 pixels wide, in docs/images/.
"""

import argparse
import io
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient
from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from flows.tracking.views import link
from scripts.browser import BrowserMissing, open_browser
from scripts.mlflow_ui import SHOWS_WITHIN, enter, serve, wait_for_image, wait_for_points, wait_for_text
from scripts.plots_page import page

FOLDER = Path("docs/images")
WIDTH, HEIGHT = 1280, 860
PLOTS_HEIGHT = 1230
RUN = "prune/cqp/seed0"
FIGURE = "figures/accuracy_against_sparsity.svg"


def take_mlflow(database: Path, experiment: str, folder: Path) -> list[Path]:
    """Take the pictures of an experiment's pages in MLflow; the files written.

    Raises:
        LookupError: the store has no such experiment, or not the runs that are shown.
        BrowserMissing: there is no Chromium.
    """
    client = MlflowClient(f"sqlite:///{database}")
    found = client.get_experiment_by_name(experiment)
    if found is None:
        raise LookupError(f"{database} has no experiment {experiment!r}; run `snnprune track` first")
    experiment_id = found.experiment_id
    run, compare = (_run_id(client, experiment_id, name) for name in (RUN, "compare"))
    runs = f"#/experiments/{experiment_id}/runs"
    with serve(database) as address, open_browser(WIDTH, HEIGHT) as browser:
        enter(browser, address)
        written = []

        def picture(name: str) -> None:
            folder.mkdir(parents=True, exist_ok=True)
            written.append(_save(browser, folder / f"{name}.png"))

        browser.get(address + link(experiment_id, "sparsity"))
        wait_for_text(browser, "Group: cqp")
        wait_for_points(browser, 30)
        picture("mlflow-sparsity")

        browser.get(f"{address}{runs}?viewStateShareKey=level")
        wait_for_text(browser, "Group: cqp", "one_shot_accuracy")
        picture("mlflow-level")

        browser.get(address + link(experiment_id, "energy"))
        wait_for_text(browser, "Group: cqp")
        wait_for_points(browser, 30)
        picture("mlflow-energy")

        browser.get(f"{address}{runs}/{run}")
        wait_for_text(browser, "git commit when logged")
        browser.find_element(By.XPATH, "//*[text()='Show more']").click()
        wait_for_text(browser, f"dvc repro prune@{experiment}-cqp-0")
        picture("mlflow-run")

        browser.get(f"{address}{runs}/{compare}/artifacts/{FIGURE}")
        wait_for_image(browser)
        _hide_path(browser)
        picture("mlflow-figure")
    return written


def take_plots(experiment: str, folder: Path) -> Path:
    """Take the picture of what `make plots` draws, with the project as the working folder; the file written.

    Raises:
        subprocess.CalledProcessError: DVC could not draw; it has said why.
        BrowserMissing: there is no Chromium.
    """
    with TemporaryDirectory() as drawn, open_browser(WIDTH, PLOTS_HEIGHT) as browser:
        template = Path(drawn, "page.html")
        template.write_text(page(), encoding="utf-8")
        command = [sys.executable, "-m", "dvc", "plots", "show", "--quiet", f"{experiment}/"]
        subprocess.run([*command, "--html-template", template, "--out", drawn], check=True, stdout=subprocess.DEVNULL)
        browser.get(Path(drawn, "index.html").as_uri())
        WebDriverWait(browser, SHOWS_WITHIN).until(
            lambda shown: _all_drawn(shown, experiment), "not every plot was drawn"
        )
        return _save(browser, folder / "dvc-plots.png")


def _all_drawn(browser: Chrome, experiment: str) -> bool:
    """Whether there is a picture in the place of every plot."""
    places = browser.find_elements(By.CSS_SELECTOR, f"[id^='{experiment}_']")
    return bool(places) and len(places) == len(browser.find_elements(By.CSS_SELECTOR, "svg.marks"))


def _run_id(client: MlflowClient, experiment_id: str, name: str) -> str:
    runs = client.search_runs([experiment_id], f"attributes.run_name = '{name}' and tags.current = 'true'")
    if not runs:
        raise LookupError(f"the store has no run {name}; run `snnprune track` first")
    return runs[0].info.run_id


def _hide_path(browser: Chrome) -> None:
    """Take away the line that says where on this computer the file lies."""
    for line in browser.find_elements(By.CSS_SELECTOR, "[title^='file:']"):
        browser.execute_script("arguments[0].style.visibility = 'hidden'", line)


def _save(browser: Chrome, path: Path) -> Path:
    """Write the page as a picture with a palette, a third of the size; k-means keeps the greys grey."""
    picture = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    palette = picture.quantize(255, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
    palette.save(path, optimize=True)
    return path


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m scripts.screenshots", description="Take the README's pictures.")
    parser.add_argument("--experiment", default="digits")
    parser.add_argument("--store", type=Path, default=Path("mlruns/mlflow.db"), help="the SQLite file of the runs")
    options = parser.parse_args(arguments)
    if not options.store.is_file():
        print(f"error: {options.store} is not there; run `snnprune track` first", file=sys.stderr)
        return 1
    try:
        written = take_mlflow(options.store.absolute(), options.experiment, FOLDER)
        for path in [*written, take_plots(options.experiment, FOLDER)]:
            print(path)
    except (LookupError, BrowserMissing) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
