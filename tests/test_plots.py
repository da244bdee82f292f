"""DVC's plots: every experiment has them, and their page draws them in a browser without a network."""

import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from scripts.plots_page import page
from tests.committed import stages
from tests.imports import PROJECT
from tests.tiny import environment

PARAMS = YAML(typ="safe").load(PROJECT / "params.yaml")
PLOTS = {name: plot for item in YAML(typ="safe").load(PROJECT / "dvc.yaml")["plots"] for name, plot in item.items()}
CURVES = len(list(PROJECT.glob("results/digits/train/*/curve.csv")))  # one a seed, and their mean
LINES = {"digits_accuracy": 4, "digits_training": 2 * (CURVES + 1), "digits_sweep": 2 * 3}  # methods; two panels each


def test_every_experiment_has_its_plots() -> None:
    expected = set()
    for name in PARAMS["matrix"]:
        kinds = ["accuracy", "training", *(["sweep"] if "sweep" in PARAMS["experiments"][name] else [])]
        expected |= {f"{name}/{kind}" for kind in kinds}
    assert set(PLOTS) == expected


@pytest.mark.parametrize("experiment", PARAMS["matrix"])
def test_the_training_of_every_seed_is_drawn(experiment: str) -> None:
    seeds = PARAMS["matrix"][experiment]["seeds"]
    assert list(PLOTS[f"{experiment}/training"]["y"]) == [
        f"results/{experiment}/train/seed{seed}/curve.csv" for seed in seeds
    ]


@pytest.mark.parametrize("name", PLOTS)
def test_what_is_drawn_is_what_stages_write(name: str) -> None:
    assert set(PLOTS[name]["y"]) <= {out.def_path for stage in stages().values() for out in stage.outs}
    assert (PROJECT / f".dvc/plots/{PLOTS[name]['template']}.json").is_file()


def test_the_page_draws_every_plot_without_a_network(browser: Chrome, tmp_path: Path) -> None:
    template = tmp_path / "page.html"
    template.write_text(page(), encoding="utf-8")
    assert "src=" not in template.read_text(encoding="utf-8").partition("<script>")[0]
    command = [sys.executable, "-m", "dvc", "plots", "show", "digits/", "--html-template", template, "-o", tmp_path]
    subprocess.run(command, cwd=PROJECT, env=environment(tmp_path), check=True, capture_output=True)
    browser.get((tmp_path / "index.html").as_uri())
    for name, lines in LINES.items():
        WebDriverWait(browser, 60).until(
            lambda page, name=name, lines=lines: len(drawn_lines(page, name)) >= lines,
            f"{name}: {lines} lines expected",
        )


def test_make_refuses_an_experiment_without_plots() -> None:
    skipped = ["-o", "setup-test", "-o", "no-page", "PLOTS_PAGE=no-page"]
    done = subprocess.run(
        ["make", "-C", PROJECT, *skipped, "plots", "EXPERIMENT=nonsense"], capture_output=True, text=True
    )
    assert done.returncode == 2
    named = " ".join(PARAMS["matrix"])
    assert f"error: dvc.yaml has no plots of nonsense; it has those of: {named}\n" in done.stdout


def drawn_lines(browser: Chrome, name: str) -> list[str]:
    """The paths of a plot's lines that go somewhere."""
    paths = browser.find_elements(By.CSS_SELECTOR, f"#{name} svg.marks .mark-line.role-mark path")
    return [path for path in paths if "L" in path.get_attribute("d")]
