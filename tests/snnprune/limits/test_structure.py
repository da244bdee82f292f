"""Fan-in and n of m: worked by hand, and held against an integer program."""

import numpy as np
import pytest
import torch
from scipy.optimize import Bounds, LinearConstraint, milp
from torch import Tensor

from snnprune.limits.params import Limits
from snnprune.limits.structure import fan_in, n_of_m, within_structure
from snnprune.pruning.mask import Mask, flatten
from snnprune.pruning.select import keep_top

SCORES = torch.tensor([[1.0, 5.0, 2.0, 4.0, 3.0], [7.0, 7.0, 7.0, 0.0, 9.0]])


def test_fan_in_by_hand() -> None:
    """Of equal scores the lower index first; a row shorter than k is kept whole."""
    (mask,) = fan_in({"w": SCORES}, 2).values()
    assert mask.tolist() == [[False, True, False, True, False], [True, False, False, False, True]]
    assert fan_in({"w": SCORES}, 9)["w"].all()


def test_n_of_m_by_hand() -> None:
    """Groups of two from the left; the fifth synapse is a group of its own."""
    (mask,) = n_of_m({"w": SCORES}, 1, 2).values()
    assert mask.tolist() == [[False, True, False, True, True], [True, False, True, False, True]]


def test_convolutions_have_rows_of_flattened_kernels() -> None:
    """[2, 2, 1, 2]: a channel's four synapses in the order of memory."""
    scores = torch.tensor([4.0, 3.0, 2.0, 1.0, 1.0, 2.0, 3.0, 4.0]).reshape(2, 2, 1, 2)
    assert fan_in({"w": scores}, 1)["w"].flatten().tolist() == [True, *[False] * 6, True]
    assert n_of_m({"w": scores}, 1, 4)["w"].flatten().tolist() == [True, *[False] * 6, True]
    assert n_of_m({"w": scores}, 1, 2)["w"].flatten().tolist() == [True, False, True, False, False, True, False, True]


def test_what_an_earlier_level_pruned_stays_pruned() -> None:
    mask = Mask({"w": torch.tensor([[True, False, True, True, True], [False, True, True, True, True]])})
    found = within_structure({"w": SCORES}, mask, Limits(fan_in=2, pattern=[1, 2]))
    assert found.inside(mask)
    assert found["w"].tolist() == [[False, False, False, True, True], [False, True, False, False, True]]
    assert within_structure({"w": SCORES}, mask, Limits()) is mask


@pytest.mark.parametrize("seed", range(8))
def test_a_level_within_both_is_the_optimum_of_the_integer_program(seed: int) -> None:
    """The best 2 of 4, of those the best 3 of a row, of those the best 5 of all: a laminar matroid."""
    scores = torch.rand((3, 8), generator=torch.Generator().manual_seed(seed))
    allowed = within_structure({"w": scores}, Mask.dense({"w": scores}), Limits(fan_in=3, pattern=[2, 4]))
    left = scores[allowed["w"]]
    found = float(left[keep_top(left, 5)].sum())
    assert found == pytest.approx(optimum(scores, [*groups(scores, 3, 2, 4), (torch.ones_like(scores), 5.0)]))


def groups(scores: Tensor, k: int, n: int, m: int) -> list[tuple[Tensor, float]]:
    """Constraints: which entries are added up, and what to at most."""
    found = []
    for row in range(len(scores)):
        for columns, most in [(slice(None), k), *((slice(at, at + m), n) for at in range(0, scores.shape[1], m))]:
            chosen = torch.zeros_like(scores)
            chosen[row, columns] = 1
            found.append((chosen, float(most)))
    return found


def optimum(scores: Tensor, constraints: list[tuple[Tensor, float]]) -> float:
    """The largest sum of scores under constraints, by HiGHS."""
    rows = np.stack([flatten({"": chosen}).numpy() for chosen, _ in constraints])
    most = np.array([limit for _, limit in constraints])
    solved = milp(
        -scores.flatten().double().numpy(),
        constraints=LinearConstraint(rows, -np.inf, most),
        integrality=np.ones(scores.numel()),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 0},
    )
    assert solved.success
    return -solved.fun
