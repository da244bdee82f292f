"""The sparse linear layer against torch's on the same weights: current and gradients, of kept values alone."""

import pytest
import torch
from torch import Tensor, nn

from snnprune.sparse.linear import SparseLinear, Synapses, linear_in_rows

INPUTS, OUTPUTS = 23, 9


def masks() -> dict[str, Tensor]:
    chance = torch.rand((OUTPUTS, INPUTS), generator=torch.Generator().manual_seed(0))
    one_row = torch.arange(OUTPUTS)[:, None].eq(2).expand(-1, INPUTS)
    return {"none": chance > 1, "few": chance < 0.02, "some": chance < 0.3, "all": chance < 1, "one row": one_row}


def dense(mask: Tensor, bias: bool = True) -> nn.Linear:
    torch.manual_seed(1)
    linear = nn.Linear(INPUTS, OUTPUTS, bias=bias)
    with torch.no_grad():
        linear.weight.mul_(mask)
    return linear


@pytest.mark.parametrize("shape", [(4,), (1,), (3, 5)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", masks())
def test_it_is_the_dense_layer_of_its_weight(name: str, bias: bool, shape: tuple[int, ...]) -> None:
    mask = masks()[name]
    linear = dense(mask, bias)
    sparse = SparseLinear(dense(mask, bias), mask)
    inputs = torch.randn((*shape, INPUTS), generator=torch.Generator().manual_seed(2))
    weights = torch.randn((*shape, OUTPUTS), generator=torch.Generator().manual_seed(3))
    results = []
    for layer in (linear, sparse):
        leaf = inputs.clone().requires_grad_()
        current = layer(leaf)
        (current * weights).sum().backward()
        results.append((current.detach(), leaf.grad))
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(sparse.values.grad, linear.weight.grad[mask], rtol=1e-5, atol=1e-5)
    assert len(sparse.values) == mask.sum()
    if bias:
        torch.testing.assert_close(sparse.bias.grad, linear.bias.grad, rtol=1e-5, atol=1e-5)
    assert torch.equal(sparse.dense_weight(), linear.weight.detach())


def test_current_lies_in_rows_and_is_torchs() -> None:
    linear = dense(torch.ones(OUTPUTS, INPUTS, dtype=torch.bool))
    for shape in ((4,), (3, 5)):
        inputs = torch.randn((*shape, INPUTS))
        found = linear_in_rows(linear, inputs)
        torch.testing.assert_close(found, linear(inputs))
        assert found.movedim(-1, 0).is_contiguous()


def test_synapses_by_hand() -> None:
    found = Synapses.of(torch.tensor([[0, 1, 1], [0, 0, 0], [1, 1, 0]], dtype=torch.bool))
    assert (found.starts.tolist(), found.indices.tolist()) == ([0, 2, 2, 4], [1, 2, 0, 1])
    assert (found.back_starts.tolist(), found.back_indices.tolist()) == ([0, 1, 3, 4], [2, 0, 2, 0])
    assert found.places.tolist() == [2, 0, 3, 1]
    assert len(found) == 4


@pytest.mark.parametrize(("inputs", "kind"), [(3, "uint16"), (65536, "uint16"), (65537, "uint32")])
def test_indices_are_of_16_bits_where_that_is_enough(inputs: int, kind: str) -> None:
    mask = torch.zeros((2, inputs), dtype=torch.bool)
    mask[0, -1] = mask[1, 0] = True
    found = Synapses.of(mask)
    assert (found.indices.dtype, found.indices.tolist()) == (kind, [inputs - 1, 0])


def test_threads_change_no_bit() -> None:
    mask = masks()["some"]
    inputs = torch.randn((4, 50, INPUTS), generator=torch.Generator().manual_seed(2))
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            layer, leaf = SparseLinear(dense(mask), mask), inputs.clone().requires_grad_()
            current = layer(leaf)
            current.square().sum().backward()
            results.append((current.detach(), leaf.grad, layer.values.grad, layer.bias.grad))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))
