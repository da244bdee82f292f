"""The figures of the studies: valid SVG with their labels, the same bytes twice, and points where they belong."""

import importlib
import re
import warnings
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from pipeline.blocks import STUDIES
from pipeline.report.studies import paper, relaxation, sweep
from pipeline.report.style import save_svg
from tests.pipeline.studies import tables
from tests.pipeline.studies.tables import summaries

# Study -> what must stand on its figure: axis labels with units, and the legend's entries.
LABELS = {
    "layers": [
        *("sparsity of the layer (%)", "validation accuracy lost (points)"),
        *("layers.1.weight (200,704 synapses)", "layers.7.weight (1,280 synapses)"),
    ],
    "relaxation": [
        *("target sparsity (%)", "achieved - target sparsity (points)", "test accuracy (%)", "budget", "energy"),
        *(f"{form}, {mask}" for form in ("budget", "energy") for mask in ("exact", "fractional", "rounded")),
    ],
    "zombies": [
        *("optimiser step after pruning", "zombies", "sparsity (%)", "validation accuracy (%)"),
        *("none", "gradients", "+ moments", "+ weights"),
    ],
    "staleness": [
        *("sparsity (%, log scale of the share kept)", "test accuracy (%)", "recomputed - frozen (points)"),
        *("recomputed", "frozen"),
    ],
    "sweep": [
        *("tau (criticality / its maximum)", "test accuracy (%)", "achieved sparsity (%)", "energy", "exact", "cut"),
        *("exact: the cliff (feasibility boundary)", "cut: the cliff (rising sparsity)"),
        *("energy: infeasible for some seed", "exact: infeasible for some seed"),
    ],
    "alpha": [
        *("alpha (0: magnitude alone)", "validation accuracy (%)", "sparsity 90 %", "sparsity 95 %", "chosen: 0.25"),
    ],
    "paper": [
        *("sparsity (%)", "test accuracy (%)", "cqp", "magnitude", "gradient", "random"),
        *("cqp, the author's notebook", "random, the author's notebook"),
        *("paper: first layer only, unequal budgets", "fair: all layers, one budget"),
    ],
    "temporal": ["time step t", "KL_t (nats)", "validation accuracy (%)", "dense", "cqp at 0.5", "cqp at 0.9"],
    "early_exit": [
        *("mean time steps of a sample", "accuracy (%): validation, crosses test"),
        *("dense", "cqp at 0.5", "cqp at 0.9"),
    ],
    "energy": [
        *("energy of a sample (µJ)", "test accuracy (%), the best 10 points", "energy of a sample by layer (µJ)"),
        *("saved by the paper's formula (%)", "saved by count (%)", "front (by validation)"),
        *("dense", "cqp", "magnitude"),
        *("layers.1.weight", "layers.3.weight", "cqp at 0.9"),
    ],
}


def legend_texts(figure: Figure) -> list[str]:
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend() is not None)]
    return [text.get_text() for legend in legends for text in legend.get_texts()]


@pytest.mark.parametrize("study", STUDIES)
def test_valid_svg_the_same_bytes_twice_with_its_labels(tmp_path: Path, study: str) -> None:
    summary, draw = summaries()[study]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_svg(draw(summary), tmp_path / "first.svg")
    save_svg(draw(summary), tmp_path / "again.svg")
    content = (tmp_path / "first.svg").read_text(encoding="utf-8")
    assert content == (tmp_path / "again.svg").read_text(encoding="utf-8")
    assert ET.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"
    # Text is drawn as glyphs; matplotlib says in a comment what it reads, with a space between two dashes.
    texts = re.findall("<!-- (.*?) -->", content)
    assert not [label for label in LABELS[study] if label not in texts]
    assert "nan" not in content.lower().replace("dominant", "")
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize("study", STUDIES)
def test_nothing_is_said_twice_in_one_legend_or_hidden(study: str) -> None:
    summary, draw = summaries()[study]
    figure = draw(summary)
    for legend in [*figure.legends, *filter(None, (axes.get_legend() for axes in figure.axes))]:
        texts = [text.get_text() for text in legend.get_texts()]
        assert len(texts) == len(set(texts))
    assert not [text for text in legend_texts(figure) if text.startswith("_")]
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    for axes in figure.axes:
        box = axes.get_tightbbox()
        assert box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
    pyplot.close(figure)


def points(figure: Figure, panel: int, label: str) -> tuple[list[float], list[float]]:
    axes = figure.axes[panel]
    named = {line.get_label(): line for line in axes.get_lines()}
    named |= {container.get_label(): container.lines[0] for container in axes.containers}
    return list(named[label].get_xdata()), list(named[label].get_ydata())


def test_numbers_are_drawn_where_they_belong() -> None:
    found = summaries()
    figures = {study: draw(summary) for study, (summary, draw) in found.items()}
    # 60 * 0.5^20 and the seeds' mean, 0.8 * 0.5
    _, losses = points(figures["layers"], 0, "layers.1.weight (200,704 synapses)")
    assert losses[0] == pytest.approx(60 * 0.5**20 + 0.4)
    shares, over = points(figures["relaxation"], 0, "energy")
    assert shares == pytest.approx([0.5, 0.3, 0.1])  # infeasible from 0.95 on
    assert over == pytest.approx([41.6, 21.6, 1.6])
    assert points(figures["zombies"], 0, "none")[1][-1] == 190_001
    assert points(figures["zombies"], 2, "none")[0] == list(range(0, 201, 20))
    assert points(figures["zombies"], 1, "+ weights")[1] == pytest.approx([90.0] * 201)
    taus, accuracies = points(figures["sweep"], 0, "energy")
    assert (taus[0], accuracies[0]) == (0.1, pytest.approx(98.0))
    assert points(figures["sweep"], 0, "exact: the cliff (feasibility boundary)")[0] == [0.3, 0.4]
    assert points(figures["sweep"], 0, "exact: infeasible for some seed")[0] == [0.1, 0.2, 0.3]
    assert points(figures["alpha"], 0, "chosen: 0.25")[0] == [0.25, 0.25]
    assert points(figures["paper"], 0, "cqp, the author's notebook")[1] == pytest.approx([95.3, 90.6, 73.5])
    assert points(figures["temporal"], 0, "cqp at 0.9")[1] == pytest.approx([1.9 * 2**-t for t in range(1, 6)])
    assert points(figures["early_exit"], 0, "dense")[0] == pytest.approx([1.1, 2.1, 3.1, 4.1])
    shares, saved = points(figures["energy"], 2, "cqp")
    assert shares == pytest.approx([75.0, 50.0, 95.0, 90.0])  # 3 and 6 of 6 steps at 50 and 90 %
    assert all(count < formula for formula, count in zip(shares, saved, strict=True))  # neuron updates stay
    gains = points(figures["staleness"], 0, "recomputed")[1]
    assert gains[-1] == pytest.approx(100 * (0.985 - 0.02 * 0.98**10 - 0.001))
    pyplot.close("all")


def one_seed(study: str) -> Figure:
    module = importlib.import_module(f"pipeline.report.studies.{study}")
    table = getattr(tables, f"{study}_table")()
    table = table[table["seed"] == 0]
    more = {"staleness": (0.5,), "paper": ("mnist",), "energy": (tables.ENERGY, tables.PROFILES)}.get(study, ())
    return importlib.import_module(f"pipeline.stages.{study}").draw(module.summarize(table, *more))


@pytest.mark.parametrize("study", STUDIES)
def test_one_seed_is_drawn_without_intervals(tmp_path: Path, study: str) -> None:
    save_svg(one_seed(study), tmp_path / "one.svg")
    texts = re.findall("<!-- (.*?) -->", (tmp_path / "one.svg").read_text(encoding="utf-8"))
    assert not [label for label in LABELS[study] if label not in texts]


def test_what_is_not_there_is_not_drawn(tmp_path: Path) -> None:
    infeasible = tables.relaxation_table()
    infeasible.loc[infeasible["form"] == "energy", "feasible"] = False
    only_paper = tables.paper_table()
    only_paper = only_paper[only_paper["protocol"] == "paper"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_svg(relaxation.draw(relaxation.summarize(infeasible)), tmp_path / "relaxation.svg")
        save_svg(paper.draw(paper.summarize(only_paper, "digits")), tmp_path / "paper.svg")
        level = tables.sweep_table().assign(validation_accuracy=0.9)
        save_svg(sweep.draw(sweep.summarize(level)), tmp_path / "sweep.svg")
    assert "notebook" not in (tmp_path / "paper.svg").read_text(encoding="utf-8")
    assert "cliff" not in (tmp_path / "sweep.svg").read_text(encoding="utf-8")
