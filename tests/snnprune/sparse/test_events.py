"""The first layer on frames of events: products and gradients are those of a dense layer, whatever lies where."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from snnprune.core.network import build_network
from snnprune.core.params import ModelParams
from snnprune.sparse.events import ACTIVE_UP_TO, SAMPLES_FROM, Active, EventLinear

STEPS, INPUTS, OUTPUTS = 3, 45, 7


def values(samples: int = 20, share: float = 0.1) -> Tensor:
    """Counts [T, B, inputs], a `share` of them not zero."""
    generator = torch.Generator().manual_seed(0)
    shape = (STEPS, samples, INPUTS)
    return torch.randint(1, 5, shape, generator=generator) * (torch.rand(shape, generator=generator) < share).float()


def in_rows(given: Tensor) -> Tensor:
    """The same values, a neuron's side by side."""
    return given.permute(2, 0, 1).contiguous().permute(1, 2, 0)


def layer(bias: bool = True) -> EventLinear:
    torch.manual_seed(0)
    return EventLinear(INPUTS, OUTPUTS, bias=bias)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [True, False])
@pytest.mark.parametrize("samples", [SAMPLES_FROM - 1, SAMPLES_FROM, 40])
def test_current_and_gradients_are_those_of_a_dense_layer(bias: bool, rows: bool, samples: int) -> None:
    own = layer(bias)
    given = in_rows(values(samples)) if rows else values(samples)
    found = own(given)
    expected = functional.linear(given, own.weight, own.bias)
    torch.testing.assert_close(found, expected)
    weighed = torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
    gradients = torch.autograd.grad((found * weighed).sum(), list(own.parameters()))
    wanted = torch.autograd.grad((expected * weighed).sum(), list(own.parameters()))
    for one, other in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("share", [0.0, 0.01, ACTIVE_UP_TO])
def test_what_is_active_is_all_that_is_not_zero(share: float) -> None:
    matrix = values(share=share).flatten(0, 1)
    found = Active.of(matrix, 1.0)
    rebuilt = torch.zeros_like(matrix)
    for row in range(len(matrix)):
        part = slice(found.starts[row], found.starts[row + 1])
        rebuilt[row, torch.from_numpy(found.indices[part].astype("int64"))] = torch.from_numpy(found.values[part])
    assert torch.equal(rebuilt, matrix)
    assert len(found.values) == matrix.count_nonzero()


def test_many_values_or_wanted_gradients_are_left_to_the_dense_product() -> None:
    own, dense = layer(), values(share=0.9)
    assert torch.equal(own(dense), functional.linear(dense, own.weight, own.bias))
    given = values().requires_grad_()
    (gradient,) = torch.autograd.grad(own(given).sum(), given)
    torch.testing.assert_close(gradient[0, 0], own.weight.sum(0))


def test_the_bytes_are_the_same_for_any_number_of_threads() -> None:
    def computed(given: Tensor) -> list[Tensor]:
        torch.manual_seed(0)
        own = EventLinear(INPUTS, 50)
        found = own(given)
        return [found, *torch.autograd.grad((found * found).sum(), list(own.parameters()))]

    for given in (values(), in_rows(values())):
        torch.set_num_threads(1)
        alone = computed(given)
        torch.set_num_threads(3)
        assert all(map(torch.equal, computed(given), alone))


def test_it_is_the_first_layer_of_a_dense_network_on_frames() -> None:
    kinds = {
        encoding: [type(layer) for layer in build_network(ModelParams.model_validate(spec)).layers[1::2]]
        for encoding in ("frames", "direct")
        if (spec := {"layers": [INPUTS, 9, 3], "encoding": {"name": encoding}})
    }
    assert kinds["direct"][0] is nn.Linear and kinds["frames"][0] is EventLinear
