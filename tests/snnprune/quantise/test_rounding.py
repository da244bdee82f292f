"""Rounding by hand, its scale against a search, and the straight-through gradient."""

import pytest
import torch

from snnprune.quantise.rounding import PER, StraightThrough, largest, rounded, scales


def test_by_hand() -> None:
    assert (largest(8), largest(4)) == (127, 7)
    weight = torch.tensor([[0.0, 0.24, -0.26, 0.9], [10.0, -10.0, 0.0, 1.6]])
    # Tenths of 0.5: 0.24 -> 0, -0.26 -> -1, 0.9 -> 2. Tenths of 1: cut at 7.
    whole = rounded(weight, torch.tensor([0.5, 1.0], dtype=torch.float64), 4)
    assert whole.tolist() == [[0, 0, -1, 2], [7, -7, 0, 2]]


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("per", PER)
def test_no_scale_of_a_finer_search_is_much_better(bits: int, per: str) -> None:
    weight = torch.randn(3, 40, generator=torch.Generator().manual_seed(0)).double() ** 3
    found = scales(weight, bits, per)
    groups = [(weight, found[0])] if per == "layer" else list(zip(weight, found, strict=True))
    for values, scale in groups:

        def error(scale: float, values: torch.Tensor = values) -> float:
            whole = (values / scale).round().clamp(-largest(bits), largest(bits))
            return (values - whole * scale).square().sum().item()

        most = values.abs().max().item() / largest(bits)
        assert error(scale.item()) <= error(most)
        assert error(scale.item()) <= 1.3 * min(error(most * share / 1000) for share in range(100, 1100))


def test_rows_without_a_synapse_have_the_layers_scale() -> None:
    weight = torch.tensor([[0.0, 0.0], [0.7, -0.1]])
    by_row = scales(weight, 4, "row")
    assert by_row.tolist() == pytest.approx([0.1, 0.1], rel=0.05)
    assert scales(torch.zeros(2, 2), 4, "row").tolist() == scales(torch.zeros(2, 2), 8, "layer").tolist() == [1.0, 1.0]
    assert scales(weight, 8, "layer").unique().numel() == 1


def test_forward_is_rounded_and_the_gradient_goes_straight_through() -> None:
    weight = torch.tensor([[0.0, 0.24], [-0.26, 9.0]], requires_grad=True)
    rounding = StraightThrough(weight, torch.tensor([0.5, 0.5], dtype=torch.float64), 4)
    out = rounding(weight)
    assert torch.equal(out, torch.tensor([[0.0, 0.0], [-0.5, 3.5]]))
    (out * torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    # The first is pruned; the second is kept though it is rounded to zero; the last one's gradient passes the cut.
    assert weight.grad.tolist() == [[0.0, 2.0], [3.0, 4.0]]
