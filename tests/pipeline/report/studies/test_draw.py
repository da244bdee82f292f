"""The figures of the studies: valid SVG with their labels, and points where they belong."""

import warnings
from collections.abc import Iterator

import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from pipeline.report.studies import load_report
from pipeline.report.style import as_svg
from pipeline.study import available
from snnprune.core.errors import UserError
from tests.pipeline.report import tables
from tests.pipeline.report.drawn import legend_texts, points, texts_of
from tests.pipeline.report.tables import TABLES, summary_of

DRAWINGS = {drawing.name: (study, drawing.draw) for study in TABLES for drawing in load_report(study).drawings}


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    pyplot.close("all")


def draw(name: str, seeds: tuple[int, ...] = tables.SEEDS) -> Figure:
    study, function = DRAWINGS[name]
    table = TABLES[study]()
    return function(summary_of(study, table[table["seed"].isin(seeds)]))


def test_every_study_has_a_report() -> None:
    assert set(TABLES) == set(available())
    with pytest.raises(UserError, match=r"study nosuch has no report: add pipeline/report/studies/nosuch\.py"):
        load_report("nosuch")


@pytest.mark.parametrize("name", DRAWINGS)
def test_valid_svg_with_everything_on_it(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw(name)
        content = as_svg(figure)
        alone = as_svg(draw(name, seeds=(0,)))  # without intervals
    assert content != alone
    assert "nan" not in (content + alone).lower().replace("dominant", "")
    assert all(axes.get_xlabel() for axes in figure.axes)
    assert figure.axes[0].get_ylabel() or name == "energy_layers"
    assert legend_texts(figure)
    for texts in legend_texts(figure):
        assert set(texts) <= set(texts_of(content))
        assert len(texts) == len(set(texts))
        assert not [text for text in texts if text.startswith("_")]
    width, height = figure.canvas.get_width_height()
    for axes in figure.axes:
        box = axes.get_tightbbox()
        assert box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1


def test_numbers_are_drawn_where_they_belong() -> None:
    # 60 * 0.5^20 and the seeds' mean, 0.8 * 0.5
    _, losses = points(draw("layers"), 0, "layer 1, 200,704 synapses")
    assert losses[0] == pytest.approx(60 * 0.5**20 + 0.4)
    shares, over = points(draw("relaxation"), 0, "energy")
    assert shares == pytest.approx([0.5, 0.3, 0.1])  # infeasible from 0.95 on
    assert over == pytest.approx([41.6, 21.6, 1.6])
    zombies = draw("zombies")
    assert points(zombies, 0, "none")[1][-1] == 190_001
    assert points(zombies, 1, "+ weights")[1] == pytest.approx([90.0] * 201)
    assert points(zombies, 2, "none")[0] == list(range(0, 201, 20))
    sweep = draw("sweep")
    taus, accuracies = points(sweep, 0, "relaxed program of the author's code")
    assert (taus[0], accuracies[0]) == (0.1, pytest.approx(98.0))
    assert sorted(points(sweep, 0, "infeasible for some seed")[0]) == [0.1, 0.1, 0.2, 0.2, 0.3]
    assert "cliff: 98.00 to 95.00 % (feasibility boundary)" in legend_texts(sweep)[0]
    assert points(draw("alpha"), 0, "chosen: 0.25")[0] == [0.25, 0.25]
    assert points(draw("paper"), 0, "cqp, the author's notebook")[1] == pytest.approx([95.3, 90.6, 73.5])
    assert points(draw("temporal"), 0, "cqp@0.90")[1] == pytest.approx([1.9 * 2**-t for t in range(1, 6)])
    assert points(draw("early_exit"), 0, "dense")[0] == pytest.approx([1.1, 2.1, 3.1, 4.1])
    gains = points(draw("staleness"), 0, "recomputed")[1]
    assert gains[-1] == pytest.approx(100 * (0.985 - 0.02 * 0.98**10 - 0.001 * 1.98))


def test_the_numbers_of_energy_are_drawn_where_they_belong() -> None:
    front = draw("energy_front").axes[0]
    best = 98 - 0.1  # the dense net's mean over the seeds
    assert front.get_ylim() == pytest.approx((best - 10, best + 1), abs=0.01)
    # The nets at 0.5 with three steps: 2 * 200, 30 and 22.5 picojoules, and 0.1 / 256, 0.01 and 0.001 less than 0.98.
    cheapest = points(draw("energy_front"), 0, "cheapest within the allowed loss")
    assert cheapest == (pytest.approx([452.5e-6]), pytest.approx([98 - 10 / 256 - 1 - 0.1]))
    shares, saved = points(draw("energy_formula"), 0, "cqp")
    assert shares == pytest.approx([50.0, 90.0])
    assert all(count < formula for formula, count in zip(shares, saved, strict=True))  # neuron updates stay
    layers = draw("energy_layers").axes[0]
    assert len(layers.patches) == 2 * 3
    assert [label.get_text() for label in layers.get_yticklabels()] == ["dense", "cqp@0.50", "cqp@0.90"]
    # The dense net: 2 * 400 and 120 picojoules for the mean seed, 60 and 30 neuron updates for half a picojoule.
    assert layers.texts[0].get_text() == f"{(800 + 30 + 120 + 15) / 1e6:.3g} µJ"
    assert legend_texts(draw("energy_layers")) == [["layer 1", "layer 3"]]


def test_what_is_not_there_is_not_drawn() -> None:
    infeasible = tables.relaxation_table()
    infeasible.loc[infeasible["form"] == "energy", "feasible"] = False
    flat = tables.sweep_table().assign(validation_accuracy=0.9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        as_svg(DRAWINGS["relaxation"][1](summary_of("relaxation", infeasible)))
        sweep = as_svg(DRAWINGS["sweep"][1](summary_of("sweep", flat)))
    assert "cliff" not in sweep
