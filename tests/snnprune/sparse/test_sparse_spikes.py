"""Neurons and the sparse layer that they feed as one function: what the two do one after the other."""

import pytest
import torch
from torch import Tensor, nn

from snnprune.sparse.lif import Lif, Neurons
from snnprune.sparse.linear import SparseLinear
from snnprune.sparse.sparse_spikes import SparseSpikeProduct

STEPS, SAMPLES, WIDTH, OUTPUTS = 6, 20, 33, 17
SUBTRACT = Neurons(0.9, 1.0, False, True, 2.0)
EACH = Neurons(torch.linspace(0.5, 0.95, WIDTH), torch.linspace(0.3, 1.0, WIDTH), False, True, 2.0)


def in_rows(values: Tensor) -> Tensor:
    return values.movedim(-1, 0).contiguous().movedim(0, -1)


def current(constant: bool) -> Tensor:
    shape = (SAMPLES, WIDTH) if constant else (STEPS, SAMPLES, WIDTH)
    return in_rows(torch.randn(shape, generator=torch.Generator().manual_seed(int(constant))) * 0.6)


def sparse_layer(bias: bool = True, density: float = 0.3) -> SparseLinear:
    torch.manual_seed(0)
    mask = torch.rand(OUTPUTS, WIDTH) < density
    mask[:, 5] = False  # a neuron that feeds nothing
    return SparseLinear(nn.Linear(WIDTH, OUTPUTS, bias=bias), mask)


def both(
    given: Tensor, neurons: Neurons, layer: SparseLinear, *, drop: float = 0.0, fused: bool = True
) -> list[Tensor]:
    """The layer's current, and the gradients of a loss that weighs each value differently: those of the neurons'
    current, of the bias added to it, and of the layer's parameters."""
    torch.manual_seed(0)
    steps = STEPS if given.dim() == 2 else None
    leaf, before = given.clone().requires_grad_(), torch.linspace(-0.2, 0.2, WIDTH).requires_grad_()
    layer.zero_grad()
    if fused:
        out = SparseSpikeProduct.apply(leaf, steps, neurons, drop, before, layer.values, layer.bias, layer.synapses)
    else:
        out = layer(Lif.apply(leaf, steps, neurons, drop, before))
    (out * torch.randn(out.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    return [out.detach(), leaf.grad, before.grad, *(parameter.grad.clone() for parameter in layer.parameters())]


@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("drop", [0.0, 0.4])
@pytest.mark.parametrize(
    "neurons",
    [SUBTRACT, EACH, Neurons(0.9, 1.0, True, True, 2.0), Neurons(0.7, 0.5, False, False, 5.0)],
    ids=["subtract", "each", "zero", "fast sigmoid"],
)
@pytest.mark.parametrize("bias", [True, False])
def test_it_is_the_neurons_and_then_the_layer(constant: bool, drop: float, neurons: Neurons, bias: bool) -> None:
    given, layer = current(constant), sparse_layer(bias)
    found, expected = (both(given, neurons, layer, drop=drop, fused=fused) for fused in (True, False))
    assert torch.equal(found[0], expected[0])
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    assert all(gradient.abs().max() > 0 for gradient in expected)
    assert found[1][..., 5].abs().max() == 0


def test_a_current_that_lies_otherwise_is_the_same_current() -> None:
    for constant in (True, False):
        found = both(current(constant).contiguous(), SUBTRACT, sparse_layer(), drop=0.4)
        for one, other in zip(found, both(current(constant), SUBTRACT, sparse_layer(), drop=0.4), strict=True):
            assert torch.equal(one, other)


def test_a_layer_without_synapses() -> None:
    out, grad, *_ = both(current(True), SUBTRACT, sparse_layer(density=0.0))
    assert torch.equal(out, sparse_layer().bias.detach().expand_as(out)) and not grad.any()


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_no_bit(threads: int) -> None:
    before, results = torch.get_num_threads(), []
    try:
        for count in (1, threads):
            torch.set_num_threads(count)
            results.append(both(current(False), SUBTRACT, sparse_layer(), drop=0.2)[:-1])  # torch sums the bias'
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


def test_by_hand() -> None:
    """One neuron, beta 0.5, threshold 1, reset by subtraction, three steps of 0.8: 0.8 -, 1.2 spike, 0.4 -. Its synapse
    of 10 carries one spike. With dL/dI of 1, 2 and 4 the synapse's gradient is the 2 of the spike's step; the neuron's
    is, with s(U) = 1 / (1 + (pi (U - 1))^2), 10 s(0.8) + (20 s(1.2)) (1 + 0.5) + (40 s(0.4)) (1 + 0.5 + 0.25)."""
    layer = SparseLinear(nn.Linear(1, 1, bias=False), torch.ones(1, 1, dtype=torch.bool))
    with torch.no_grad():
        layer.values.fill_(10.0)
    leaf = torch.tensor([[0.8]]).requires_grad_()
    neurons = Neurons(0.5, 1.0, False, True, 2.0)
    out = SparseSpikeProduct.apply(leaf, 3, neurons, 0.0, None, layer.values, None, layer.synapses)
    assert out.flatten().tolist() == [0.0, 10.0, 0.0]
    (out * torch.tensor([1.0, 2.0, 4.0]).view(3, 1, 1)).sum().backward()
    assert layer.values.grad.tolist() == [2.0]
    near, far = 1 / (1 + (0.2 * torch.pi) ** 2), 1 / (1 + (0.6 * torch.pi) ** 2)
    assert leaf.grad.item() == pytest.approx(10 * near + 30 * near + 70 * far, rel=1e-5)
