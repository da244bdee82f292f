"""Changes of a mask by hand: which go, which come, and when."""

import math

import pytest
import torch
from torch import nn

from snnprune.pruning.mask import Mask
from snnprune.scratch.approaches import rigl
from snnprune.scratch.approaches import set as sets
from snnprune.scratch.moving import MovingLinear
from snnprune.scratch.rewiring import Change, Run, rewired

WEIGHT = torch.tensor([[0.5, -0.1, 0.0, 0.0], [0.2, 0.0, -0.9, 0.0]])
KEPT = WEIGHT != 0
GRADIENT = torch.tensor([[9.0, 9.0, 0.1, -0.7], [9.0, 0.3, 9.0, 0.2]])
RUN = Run(steps=40, epoch=10, every=4)


def change(weight: torch.Tensor = WEIGHT, kept: torch.Tensor = KEPT, seed: int = 0) -> Change:
    return Change({"w": weight}, Mask({"w": kept}), lambda: {"w": GRADIENT}, seed)


def test_rigl_by_hand() -> None:
    one = change()
    # Half of four go: -0.1 and 0.2; of those outside the largest gradients are 0.7 and 0.3.
    found = rewired(one, 0.5, rigl.scores(one))["w"]
    assert found.tolist() == [[True, False, False, True], [False, True, True, False]]


def test_what_just_went_does_not_come() -> None:
    one = change()
    found = rewired(one, 1.0, rigl.scores(one))["w"]  # all four go, whatever their gradients
    assert torch.equal(found, ~KEPT)


def test_no_more_move_than_have_a_place() -> None:
    full = torch.ones(2, 4, dtype=torch.bool)
    full[0, 3] = False
    one = change(torch.arange(8.0).view(2, 4) + 1, full)
    found = rewired(one, 0.5, rigl.scores(one))["w"]  # round(0.5 * 7) would go, one can come
    assert found.tolist() == [[False, True, True, True], [True] * 4]
    whole = torch.ones(2, 4, dtype=torch.bool)
    assert torch.equal(rewired(change(WEIGHT, whole), 0.5, {"w": GRADIENT})["w"], whole)


def test_set_drops_by_magnitude_and_draws_the_rest() -> None:
    come = set()
    for seed in range(60):
        one = change(seed=seed)
        found = rewired(one, 0.3, sets.scores(one))["w"]  # round(0.3 * 4) = 1: -0.1
        assert int(found.sum()) == 4 and not found[0, 1]
        assert bool((found & KEPT)[WEIGHT.abs() > 0.1].all())
        come |= set((found & ~KEPT).flatten().nonzero().flatten().tolist())
        assert torch.equal(found, rewired(one, 0.3, sets.scores(one))["w"])
    assert come == {2, 3, 5, 7}


def test_layers_move_by_themselves() -> None:
    weights = {"a": torch.tensor([[5.0, 4.0, 0.0, 0.0]]), "b": torch.tensor([[0.1, 0.2, 0.0, 0.0]])}
    masks = Mask({name: weight != 0 for name, weight in weights.items()})
    found = rewired(Change(weights, masks, dict, 0), 0.5, {name: torch.arange(4.0)[None] for name in weights})
    assert {name: layer.flatten().tolist() for name, layer in found.items()} == {
        "a": [True, False, False, True],
        "b": [False, True, False, True],
    }


def test_when_a_mask_moves() -> None:
    assert [step for step in range(1, 41) if sets.share(step, RUN)] == [10, 20, 30]
    assert {sets.share(step, RUN) for step in (10, 20, 30)} == {0.3}
    # RigL until 0.75 * 40 = 30
    assert [step for step in range(1, 41) if rigl.share(step, RUN)] == [4, 8, 12, 16, 20, 24, 28]
    assert rigl.share(20, RUN) == pytest.approx(0.15 * (1 + math.cos(2 * math.pi / 3)))  # 0.075
    shares = [rigl.share(step, RUN) for step in range(4, 29, 4)]
    assert shares == sorted(shares, reverse=True) and 0 < shares[-1] < shares[0] < 0.3


def test_a_layer_keeps_values_and_moments_of_what_stays() -> None:
    linear = nn.Linear(4, 2)
    with torch.no_grad():
        linear.weight.copy_(WEIGHT)
    layer = MovingLinear(linear, KEPT)
    moments, moment = [torch.tensor([1.0, 2.0, 3.0, 4.0])], torch.zeros(2, 4)
    mask = torch.tensor([[True, False, False, True], [False, True, True, False]])
    parameter = layer.values
    layer.move(mask, moments)
    assert layer.values is parameter
    assert torch.equal(layer.dense_weight(), WEIGHT * mask)
    moment[mask] = moments[0]
    assert moment.tolist() == [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 4.0, 0.0]]
    inputs = torch.rand(5, 4)
    torch.testing.assert_close(layer(inputs), inputs @ (WEIGHT * mask).T + linear.bias)
