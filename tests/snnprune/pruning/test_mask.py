"""The mask as a value: what it counts, what it refuses, and that nobody changes it afterwards."""

import pytest
import snntorch
import torch
from torch import nn

from snnprune.pruning.mask import Mask, prunable_weights


def mask_of(first: list[list[int]], second: list[int]) -> Mask:
    return Mask({"a": torch.tensor(first, dtype=torch.bool), "b": torch.tensor(second, dtype=torch.bool)})


def test_counts_by_hand() -> None:
    mask = mask_of([[1, 0], [0, 0]], [1, 1, 0, 0])
    assert (mask.size, mask.nnz, mask.sparsity) == (8, 3, 5 / 8)
    assert (list(mask), len(mask)) == (["a", "b"], 2)
    assert mask.vector().tolist() == [True, False, False, False, True, True, False, False]
    dense = Mask.dense({"a": torch.zeros(2, 3), "b": torch.ones(4)})
    assert (dense.size, dense.nnz, dense.sparsity, dense["a"].shape) == (10, 10, 0.0, (2, 3))


def test_nobody_changes_it_afterwards() -> None:
    given = {"a": torch.ones(3, dtype=torch.bool)}
    mask = Mask(given)
    given["a"][0] = False
    given["b"] = torch.ones(1, dtype=torch.bool)
    mask.vector()[0] = False
    assert (mask.nnz, list(mask)) == (3, ["a"])
    with pytest.raises(TypeError):
        mask["a"] = torch.zeros(3, dtype=torch.bool)
    vector = torch.ones(3, dtype=torch.bool)
    again = mask.with_vector(vector)
    vector[:] = False
    assert again.nnz == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.int64])
def test_only_booleans_are_accepted(dtype: torch.dtype) -> None:
    with pytest.raises(TypeError, match=f"mask of a: expected a boolean tensor, found {dtype}"):
        Mask({"a": torch.ones(2, dtype=dtype)})


def test_vector_round_trip_keeps_names_shapes_and_order() -> None:
    mask = mask_of([[1, 0], [0, 1]], [0, 1, 1])
    again = mask.with_vector(mask.vector())
    assert list(again) == ["a", "b"]
    assert all(torch.equal(again[name], mask[name]) for name in mask)
    turned = mask.with_vector(~mask.vector())
    assert turned["a"].tolist() == [[False, True], [True, False]]
    assert turned["b"].tolist() == [True, False, False]


@pytest.mark.parametrize("length", [6, 8])
def test_vector_of_another_length_is_refused(length: int) -> None:
    mask = mask_of([[1, 0], [0, 1]], [0, 1, 1])
    with pytest.raises(ValueError, match=f"expected a vector of 7 entries for 2 layers, found {length}"):
        mask.with_vector(torch.ones(length, dtype=torch.bool))


def test_inside() -> None:
    outer, inner, across = (mask_of(first, [1]) for first in ([[1, 1], [0, 0]], [[1, 0], [0, 0]], [[1, 0], [1, 0]]))
    assert inner.inside(outer)
    assert outer.inside(outer)
    assert not outer.inside(inner)
    assert not across.inside(outer)
    assert not inner.inside(Mask({"a": outer["a"]}))


def test_apply_zeroes_the_pruned_and_leaves_the_rest() -> None:
    layer = nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, -2.0], [float("nan"), 4.0]]))
    Mask({"weight": torch.tensor([[True, False], [False, True]])}).apply({"weight": layer.weight})
    assert layer.weight.tolist() == [[1.0, 0.0], [0.0, 4.0]]


def test_prunable_are_the_weights_of_linear_and_conv_modules_only() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3),
        snntorch.Leaky(beta=0.9, learn_beta=True, learn_threshold=True),
        nn.BatchNorm2d(2),
        nn.Flatten(),
        nn.Sequential(nn.Linear(8, 3), snntorch.Leaky(beta=0.5)),
    )
    weights = prunable_weights(network)
    assert list(weights) == ["0.weight", "4.0.weight"]
    assert weights["0.weight"] is network[0].weight
    assert weights["4.0.weight"].shape == (3, 8)
    assert {"0.bias", "1.beta", "1.threshold"} < {name for name, _ in network.named_parameters()}


def test_a_network_without_prunable_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="no prunable weight"):
        prunable_weights(nn.Sequential(snntorch.Leaky(beta=0.9, learn_beta=True)))
