"""How numbers and layers are written for people."""

import pytest

from pipeline.report.words import layer_names, milliseconds_text, net_text, percent, sparsity_text, steps_text
from snnprune.core.network import build_network
from snnprune.core.params import ModelParams
from snnprune.pruning.mask import prunable_weights


@pytest.mark.parametrize(
    ("level", "achieved", "synapses", "cell", "net"),
    [
        (0.9, 0.9, 100, "90 %", "osqp@0.90"),
        (0.9, 1 - 237 / 2368, 2368, "90 %", "osqp@0.90"),  # the nearest whole number of synapses
        (0.9775, 0.9775, 100_000, "97.75 %", "osqp@0.9775"),
        (0.9, 0.87963, 17_024, "87.96 % (90 % asked)", "osqp@0.90 (87.96 %)"),
        (0.5, 0.7, 100, "70 % (50 % asked)", "osqp@0.50 (70 %)"),
    ],
)
def test_a_level_is_one_number_and_what_missed_it_has_its_own(
    level: float, achieved: float, synapses: int, cell: str, net: str
) -> None:
    assert sparsity_text(level, achieved, synapses) == cell
    assert net_text("osqp", level, achieved, synapses) == net
    assert percent(level) in cell


def test_how_long_steps_last() -> None:
    assert milliseconds_text([9, 9], 30.5) == "274.5 ms"
    assert milliseconds_text([9, 8], 30.0) == "240 to 270 ms"
    assert milliseconds_text([100], 100 / 3) == "3,333 ms"
    assert milliseconds_text([3], 0.25) == "0.75 ms"


def test_steps_are_whole() -> None:
    assert (steps_text([9, 9]), steps_text([9.0, 8.0, 8.0])) == ("9", "8 to 9")


@pytest.mark.parametrize(
    ("layers", "names"),
    [
        ([64, 128, 64, 10], ["1st hidden (64x128)", "2nd hidden (128x64)", "output (64x10)"]),
        ("8x8-4C3-MP2-10", ["1st hidden (1x4x3x3)", "output (36x10)"]),
        (
            [2, 2, 2, 2, 2, 2],
            ["1st hidden (2x2)", "2nd hidden (2x2)", "3rd hidden (2x2)", "4th hidden (2x2)", "output (2x2)"],
        ),
    ],
)
def test_layers_are_counted_from_the_input(layers: list[int] | str, names: list[str]) -> None:
    weights = prunable_weights(build_network(ModelParams(layers=layers)))
    assert list(layer_names(weights).values()) == names
    assert list(layer_names(weights)) == list(weights)
