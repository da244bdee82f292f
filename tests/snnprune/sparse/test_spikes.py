"""Neurons and the layer that they feed as one function: what the two do one after the other, spikes listed or not."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from snnprune.sparse import spikes
from snnprune.sparse.lif import Lif, Neurons
from snnprune.sparse.spikes import SpikeProduct

STEPS, SAMPLES, WIDTH, OUTPUTS = 6, 20, 33, 40


def inputs_of(constant: bool) -> Tensor:
    generator = torch.Generator().manual_seed(int(constant))
    shape = (SAMPLES, WIDTH) if constant else (STEPS, SAMPLES, WIDTH)
    return torch.randn(shape, generator=generator) * 0.6


def both(
    current: Tensor, neurons: Neurons, bias: bool = True, drop: float = 0.0, fused: bool = True
) -> tuple[Tensor, ...]:
    """The layer's current, and the gradients of a loss that weighs each value differently."""
    torch.manual_seed(0)
    linear = nn.Linear(WIDTH, OUTPUTS, bias=bias)
    leaf, steps = current.clone().requires_grad_(), STEPS if current.dim() == 2 else None
    if fused:
        out = SpikeProduct.apply(leaf, steps, neurons, drop, linear.weight, linear.bias)
    else:
        out = functional.linear(Lif.apply(leaf, steps, neurons, drop), linear.weight, linear.bias)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    (out * weights).sum().backward()
    return out.detach(), leaf.grad, *(parameter.grad for parameter in linear.parameters())


@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("to_zero", [True, False])
@pytest.mark.parametrize("drop", [0.0, 0.4])
@pytest.mark.parametrize("most", [spikes.RATE_UP_TO, 0.0])
def test_it_is_the_neurons_and_then_the_layer(
    constant: bool, to_zero: bool, drop: float, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spikes, "RATE_UP_TO", most)  # 0: the dense products
    for surrogate in (Neurons(0.9, 1.0, to_zero, True, 2.0), Neurons(0.7, 0.5, to_zero, False, 5.0)):
        found, expected = (both(inputs_of(constant), surrogate, drop=drop, fused=fused) for fused in (True, False))
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
        assert expected[1].abs().max() > 0


@pytest.mark.parametrize("constant", [True, False])
def test_a_current_that_lies_in_rows_is_the_same_current(constant: bool) -> None:
    current, neurons = inputs_of(constant), Neurons(0.9, 1.0, False, True, 2.0)
    in_rows = current.movedim(-1, 0).contiguous().movedim(0, -1)
    for one, other in zip(both(in_rows, neurons, drop=0.4), both(current, neurons, drop=0.4), strict=True):
        assert torch.equal(one, other)


def test_a_layer_without_a_bias() -> None:
    neurons = Neurons(0.9, 1.0, False, True, 2.0)
    for one, other in zip(
        *(both(inputs_of(True), neurons, False, fused=fused) for fused in (True, False)), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_no_bit(threads: int) -> None:
    before = torch.get_num_threads()
    results = []
    try:
        for count in (1, threads):
            torch.set_num_threads(count)
            out, _, *grads = both(inputs_of(False), Neurons(0.9, 1.0, False, True, 2.0), drop=0.2)
            results.append((out, *grads))  # torch's product gives the current's gradient
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


def test_by_hand() -> None:
    """Two neurons, beta 0.5, threshold 1, reset by subtraction, for three steps of a constant current of 0.8 and 2:
    0.8 -, 1.2 spike, 0.4 -; 2 spike, 2 spike, 2 spike."""
    current = torch.tensor([[0.8, 2.0]])
    out = SpikeProduct.apply(
        current.expand(2, 2).contiguous(), 3, Neurons(0.5, 1.0, False, True, 2.0), 0.0,
        torch.tensor([[1.0, 10.0], [0.0, 100.0]]), torch.tensor([0.5, 0.0]),
    )  # fmt: skip
    assert out[:, 0].tolist() == [[10.5, 100.0], [11.5, 100.0], [10.5, 100.0]]
