"""The one selection: exact counts, ties by index, and optimal against brute force and a mixed-integer solver."""

import cvxpy
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from snnprune.pruning.select import InfeasibleSelection, keep_count, keep_top, lexicographic, share_by_layer

ALL_MASKS = {n: (np.arange(2**n)[:, None] >> np.arange(n)) & 1 for n in range(1, 13)}


@pytest.mark.parametrize(
    ("scores", "keep", "protected", "expected"),
    [
        ([0.1, 0.9, 0.5, 0.7], 2, None, [1, 3]),
        ([0.1, 0.9, 0.5, 0.7], 3, None, [1, 2, 3]),
        ([-1.0, -3.0, -2.0], 1, None, [0]),
        # Ties go to the lower index.
        ([1.0] * 6, 4, None, [0, 1, 2, 3]),
        ([0.5, 2.0, 0.5, 0.5, 1.0], 3, None, [0, 1, 4]),  # 2 and 1 are in; index 0 wins among the three 0.5
        # Protected ones come first, and the rest by score.
        ([0.1, 0.9, 0.5, 0.7], 2, [0], [0, 1]),
        ([0.1, 0.9, 0.5, 0.7], 2, [0, 2], [0, 2]),
        ([1.0] * 5, 3, [4], [0, 1, 4]),
        ([0.1, 0.9], 1, [], [1]),
    ],
)
def test_by_hand(scores: list[float], keep: int, protected: list[int] | None, expected: list[int]) -> None:
    guarded = None if protected is None else torch.isin(torch.arange(len(scores)), torch.tensor(protected))
    assert keep_top(torch.tensor(scores), keep, guarded).nonzero().squeeze(1).tolist() == expected


@pytest.mark.parametrize("pattern", ["distinct", "equal", "two values", "zeros and tail", "huge and tiny"])
def test_exactly_k_for_every_k(pattern: str) -> None:
    generator = torch.Generator().manual_seed(5)
    scores = {
        "distinct": torch.randperm(37, generator=generator).float(),
        "equal": torch.full((37,), 0.25),
        "two values": torch.randint(2, (37,), generator=generator).float(),
        "zeros and tail": torch.rand(37, generator=generator).sub(0.8).clamp(min=0),
        "huge and tiny": torch.tensor([1e38, 1e-45, 0.0, -0.0] * 9 + [-1e38]),
    }[pattern]
    for keep in range(38):
        mask = keep_top(scores, keep)
        assert mask.dtype == torch.bool
        assert int(mask.sum()) == keep
        if 0 < keep < 37:
            assert scores[mask].min() >= scores[~mask].max()


def random_instance(seed: int) -> tuple[Tensor, int, Tensor]:
    """Scores [n <= 12], half of the time with many ties, a budget and a protected set that may be too large.

    Scores are whole numbers: their float64 sums are exact, so two masks are equally good or they are not.
    """
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 13))
    scores = rng.integers(0, 4 if seed % 2 else 2**40, n)
    protected = rng.random(n) < rng.choice([0.0, 0.2, 0.6])
    return torch.tensor(scores, dtype=torch.float64), int(rng.integers(0, n + 1)), torch.tensor(protected)


@pytest.mark.parametrize("block", range(6))
def test_the_first_optimum_of_all_subsets(block: int) -> None:
    infeasible = tied = 0
    for seed in range(50 * block, 50 * block + 50):
        scores, keep, protected = random_instance(seed)
        masks = ALL_MASKS[len(scores)]
        allowed = masks[(masks.sum(1) == keep) & (masks[:, protected.numpy()] == 1).all(1)]
        if not len(allowed):
            infeasible += 1
            with pytest.raises(InfeasibleSelection):
                keep_top(scores, keep, protected)
            continue
        objective = (1 - allowed) ** 2 @ scores.numpy()
        optima = allowed[objective == objective.min()].tolist()
        tied += len(optima) > 1
        found = keep_top(scores, keep, protected).int().tolist()
        assert found in optima
        assert found == max(optima)  # among equals the lower index is kept: the first difference is a 1
    assert 0 < infeasible < 25
    assert tied > 1


def by_mixed_integer_solver(scores: NDArray[np.float64], keep: int, protected: NDArray[np.bool_]) -> cvxpy.Problem:
    mask = cvxpy.Variable(len(scores), boolean=True)
    constraints = [cvxpy.sum(mask) == keep, mask >= protected.astype(float)]
    # (1 - m)^2 = 1 - m on {0, 1}: the solver, which takes no quadratic objective, is given the linear form.
    problem = cvxpy.Problem(cvxpy.Minimize(scores @ (1 - mask)), constraints)
    problem.solve(solver=cvxpy.HIGHS)
    return problem


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("seed", "keep", "protected_share"), [(0, 20, 0.0), (1, 90, 0.1), (2, 150, 0.3)])
def test_optimal_against_a_mixed_integer_solver(seed: int, keep: int, protected_share: float, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    scores, protected = rng.lognormal(0, 2, 200), rng.random(200) < protected_share
    if ties:
        scores = np.ceil(scores)
    problem = by_mixed_integer_solver(scores, keep, protected)
    assert problem.status == cvxpy.OPTIMAL
    ours = keep_top(torch.tensor(scores), keep, torch.tensor(protected)).numpy()
    assert float(scores @ (1 - ours) ** 2) == pytest.approx(problem.value)
    assert ties or ours.tolist() == (problem.variables()[0].value > 0.5).tolist()


def test_infeasible_where_the_mixed_integer_solver_finds_nothing() -> None:
    rng = np.random.default_rng(3)
    scores, protected = rng.random(200), np.arange(200) < 40
    for keep in (39, 40):
        problem = by_mixed_integer_solver(scores, keep, protected)
        if keep < 40:
            assert problem.status == cvxpy.INFEASIBLE
            with pytest.raises(InfeasibleSelection, match="cannot keep 39 synapses: 40 are protected"):
                keep_top(torch.tensor(scores), keep, torch.tensor(protected))
        else:
            assert problem.status == cvxpy.OPTIMAL
            assert keep_top(torch.tensor(scores), keep, torch.tensor(protected)).tolist() == protected.tolist()


@pytest.mark.parametrize(
    ("keep", "protected", "message"),
    [
        (4, None, "cannot keep 4 synapses: 3 are left"),
        (-1, None, "cannot keep -1 synapses: 3 are left"),
        (1, [True, False, True], "cannot keep 1 synapses: 2 are protected"),
    ],
)
def test_infeasible_cases_say_their_numbers(keep: int, protected: list[bool] | None, message: str) -> None:
    with pytest.raises(InfeasibleSelection, match=message):
        keep_top(torch.ones(3), keep, None if protected is None else torch.tensor(protected))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_scores_that_are_not_finite_are_refused(bad: float) -> None:
    scores, ones = torch.tensor([1.0, bad, bad, 2.0, 3.0]), torch.ones(5)
    for select in (
        lambda: keep_top(scores, 1),
        lambda: lexicographic(scores, ones),
        lambda: lexicographic(ones, scores),
    ):
        with pytest.raises(ValueError, match="2 of 5 scores are not finite"):
            select()


def test_shapes_must_fit() -> None:
    with pytest.raises(ValueError, match="equal vectors"):
        keep_top(torch.ones(2, 2), 1)
    with pytest.raises(ValueError, match="equal vectors"):
        keep_top(torch.ones(3), 1, torch.ones(2, dtype=torch.bool))


def test_arguments_are_left_as_they_are() -> None:
    scores, protected = torch.tensor([3.0, 1.0, 2.0]), torch.tensor([False, True, False])
    keep_top(scores, 2, protected)
    assert (scores.tolist(), protected.tolist()) == ([3.0, 1.0, 2.0], [False, True, False])


@pytest.mark.parametrize(
    ("level", "size", "keep"),
    [
        (0.9, 134_528, 13_453),  # 13,452.8
        (0.98, 134_528, 2_691),  # 2,690.56
        (0.5, 7, 4),  # 3.5: Python rounds to the even one
        (0.5, 5, 2),  # 2.5
        (0.95, 100, 5),  # (1 - 0.95) * 100 is 5.000000000000004
        (0.999, 100, 0),  # 0.1
    ],
)
def test_keep_count_by_hand(level: float, size: int, keep: int) -> None:
    assert keep_count(level, size) == keep


def test_shares_by_hand() -> None:
    assert share_by_layer(50, [60, 30, 10]) == [30, 15, 5]
    assert share_by_layer(3, [10, 10]) == [2, 1]  # 1.5 each; the lower index first
    # Ranks of the sizes 6, 3, 1: 1/12, 3/12, 5/12, ... / 1/6, 3/6, 5/6 / 1/2; the four lowest: 1/12, 1/6, 3/12, 5/12.
    assert share_by_layer(4, [6, 3, 1]) == [3, 1, 0]


@pytest.mark.parametrize("sizes", [[6, 6, 2], [20, 7, 1, 3], [5], [1, 1, 1], [100, 1, 13]])
def test_shares_sum_to_keep_are_proportional_and_fall_with_keep(sizes: list[int]) -> None:
    later = sizes
    for keep in range(sum(sizes), -1, -1):
        shares = share_by_layer(keep, sizes)
        assert sum(shares) == keep
        for share, size, before in zip(shares, sizes, later, strict=True):
            assert abs(share - keep * size / sum(sizes)) < 1
            assert share <= before  # with [6, 6, 2], largest remainders give 5, 5, 1 of 11 but 4, 4, 2 of 10
        later = shares
    assert share_by_layer(sum(sizes), sizes) == sizes


def test_no_share_of_more_than_there_is() -> None:
    with pytest.raises(InfeasibleSelection, match="cannot keep 4 synapses: 3 are left"):
        share_by_layer(4, [2, 1])


def test_lexicographic_by_hand() -> None:
    primary, secondary = torch.tensor([1.0, 2.0, 1.0, 2.0, 1.0]), torch.tensor([5.0, 0.0, 9.0, 1.0, 5.0])
    # By primary 3 and 1 come before the rest, 3 by its secondary; then 2; 0 and 4 are equal in both.
    ranked = lexicographic(primary, secondary)
    assert ranked.argsort(descending=True).tolist() == [3, 1, 2, 0, 4]
    assert len(ranked.unique()) == 5


def test_lexicographic_selects_as_sorting_pairs_does() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        primary, secondary = rng.integers(0, 4, 30).tolist(), rng.integers(0, 4, 30).tolist()
        pairs = sorted(zip([-p for p in primary], [-s for s in secondary], range(30), strict=True))
        found = keep_top(lexicographic(torch.tensor(primary).float(), torch.tensor(secondary).float()), 11)
        assert found.nonzero().squeeze(1).tolist() == sorted(index for _, _, index in pairs[:11])
