"""Layer densities of an Erdos-Renyi graph by hand, and the random masks of them."""

import pytest
import torch

from snnprune.pruning.mask import Mask
from snnprune.pruning.select import InfeasibleSelection
from snnprune.scratch.densities import erdos_renyi, random_mask

SHAPES = {"a": (3, 4), "b": (2, 3)}  # 12 and 6 synapses, sides of 7 and 5


@pytest.mark.parametrize(
    ("keep", "counts"),
    [
        (12, {"a": 7, "b": 5}),
        (6, {"a": 4, "b": 2}),  # 3.5 and 2.5: the earlier among equal remainders
        (7, {"a": 4, "b": 3}),  # 4.08 and 2.92
        (15, {"a": 9, "b": 6}),  # 8.75 and 6.25, more than there are
        (18, {"a": 12, "b": 6}),
        (0, {"a": 0, "b": 0}),
    ],
)
def test_counts_by_hand(keep: int, counts: dict[str, int]) -> None:
    assert erdos_renyi(SHAPES, keep) == counts


def test_a_convolutions_kernel_counts() -> None:
    # sides of 8 + 4 + 3 + 3 = 18 and 10 + 8 = 18
    assert erdos_renyi({"conv": (8, 4, 3, 3), "linear": (10, 8)}, 100) == {"conv": 50, "linear": 50}


def test_a_full_layer_fills_others() -> None:
    # 40 * (4, 5, 21) / 30: the first two overflow in turn, and the last has what is left of its 90
    assert erdos_renyi({"a": (2, 2), "b": (3, 2), "c": (15, 6)}, 40) == {"a": 4, "b": 6, "c": 30}


def test_the_networks_of_the_authors_densities() -> None:
    """784-256-128-10 at 0.9: sides of 1040, 384 and 138; the output layer is full, the others share the rest."""
    shapes = {"1": (256, 784), "2": (128, 256), "3": (10, 128)}
    keep = 23_475
    found = erdos_renyi(shapes, keep)
    assert found["3"] == 1280
    assert found["1"] == round((keep - 1280) * 1040 / 1424)
    assert sum(found.values()) == keep


def test_too_many_are_refused() -> None:
    with pytest.raises(InfeasibleSelection, match="cannot keep 19 synapses: there are 18"):
        erdos_renyi(SHAPES, 19)


def test_a_random_mask_has_them() -> None:
    dense = Mask({name: torch.ones(shape, dtype=torch.bool) for name, shape in SHAPES.items()})
    masks = [random_mask(dense, 7, seed) for seed in range(40)]
    assert {tuple(int(layer.sum()) for layer in mask.values()) for mask in masks} == {(4, 3)}
    assert torch.stack([mask.vector() for mask in masks]).any(0).all()  # every synapse has its chance
    assert torch.equal(random_mask(dense, 7, 3).vector(), masks[3].vector())
