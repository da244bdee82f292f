"""Where time and samples stand: shapes told apart, and the same values step by step from each."""

import pytest
import torch

from snnprune.adapters.layout import by_step, layout_of


@pytest.mark.parametrize(
    ("shape", "steps", "layout"),
    [
        ((3, 36), 5, "step"),
        ((3, 5, 36), 5, "step"),  # tokens of samples
        ((5, 3, 1, 6, 6), 5, "steps"),
        ((15, 1, 6, 6), 5, "merged"),
        ((3, 36), 1, "step"),
        ((1, 3, 36), 1, "steps"),
    ],
)
def test_a_layout_is_told_by_steps_and_samples(shape: tuple[int, ...], steps: int, layout: str) -> None:
    assert layout_of(shape, steps, samples=3) == layout


def test_the_values_of_each_step() -> None:
    values = torch.arange(2 * 3 * 4).reshape(2, 3, 4)
    assert torch.equal(by_step(values, "steps", 3), values)
    assert torch.equal(by_step(values.flatten(0, 1), "merged", 3), values)
    assert torch.equal(by_step(values[0], "step", 3), values[:1])
