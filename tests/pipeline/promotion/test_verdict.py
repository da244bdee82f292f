"""Whether the alias moves: an interval by hand, scipy's one-sided test, and what cannot be compared."""

import numpy as np
import pytest
from scipy import stats

from pipeline.promotion.choice import Candidate
from pipeline.promotion.verdict import Champion, judge

DENSE = {0: 0.97, 1: 0.97, 2: 0.97}


def candidate(*accuracies: float) -> Candidate:
    by_seed = dict(enumerate(accuracies))
    return Candidate("made", "cqp", 0.9, 0, by_seed, DENSE, 1.0, 0.9, "loihi", "at 90 % sparsity")


def champion(*accuracies: float, experiment: str = "made", dataset: str = "d1") -> Champion:
    return Champion("version 1 (cqp@0.80/seed0)", experiment, dataset, dict(enumerate(accuracies)))


def test_the_interval_by_hand() -> None:
    # Differences -0.1, -0.2 and -0.3 points: mean -0.2, sd 0.1; t of two degrees of freedom at 97.5 % is 4.3027, so
    # half the width is 4.3027 * 0.1 / sqrt(3) = 0.2484 and the low end -0.4484.
    mine, theirs = candidate(0.949, 0.958, 0.967), champion(0.95, 0.96, 0.97)
    found = judge(mine, "made", "d1", theirs, delta=0.005)
    assert found.moves
    assert found.difference.low == pytest.approx(-0.004484, abs=1e-6)
    assert found.reason == (
        "-0.20 ± 0.25 points of validation accuracy over 3 seeds against version 1 (cqp@0.80/seed0): a loss of more "
        "than 0.5 points is excluded"
    )
    kept = judge(mine, "made", "d1", theirs, delta=0.004)
    assert not kept.moves
    assert "a loss of 0.45 points is not excluded, delta allows 0.4; --force would move it" in kept.reason
    forced = judge(mine, "made", "d1", theirs, delta=0.004, force=True)
    assert forced.moves and forced.reason.endswith("delta allows 0.4; moved by force")


@pytest.mark.parametrize("seed", range(30))
def test_it_is_the_one_sided_t_test_of_non_inferiority(seed: int) -> None:
    draw = np.random.default_rng(seed)
    mine, theirs = draw.normal(0.95, 0.003, 5), draw.normal(0.95, 0.003, 5)
    p = stats.ttest_1samp(mine - theirs, -0.004, alternative="greater").pvalue
    assert judge(candidate(*mine), "made", "d1", champion(*theirs), delta=0.004).moves == (p < 0.025)


def test_only_common_seeds_count_and_one_is_too_few() -> None:
    two = judge(candidate(0.95, 0.96, 0.1), "made", "d1", champion(0.95, 0.96), delta=0.005)
    assert two.moves and two.difference.n == 2
    for theirs, common in ((champion(0.5), 1), (champion(), 0)):
        found = judge(candidate(0.95, 0.96), "made", "d1", theirs, delta=0.005)
        assert not found.moves
        assert found.reason.startswith(f"{common} seed in common with version 1 (cqp@0.80/seed0); an interval takes 2")


@pytest.mark.parametrize(
    ("theirs", "reason"),
    [
        (champion(0.1, 0.1, experiment="other"), "it is of experiment 'other', the candidate of 'made'"),
        (champion(0.1, 0.1, dataset="d0"), "its dataset has the digest d0, the candidate's d1"),
    ],
)
def test_a_champion_of_something_else_stays_however_bad_unless_forced(theirs: Champion, reason: str) -> None:
    found = judge(candidate(0.95, 0.96), "made", "d1", theirs, delta=0.005)
    assert (found.moves, found.difference) == (False, None)
    assert reason in found.reason
    assert judge(candidate(0.95, 0.96), "made", "d1", theirs, delta=0.005, force=True).moves


def test_the_first_has_no_opponent_and_shows_what_it_loses() -> None:
    found = judge(candidate(0.95, 0.96, 0.97), "made", "d1", None, delta=0.005)
    assert found.moves
    assert found.difference.mean == pytest.approx(-0.01)
    assert found.reason.startswith("the first champion has no opponent; -1.00 ± ")
    assert found.reason.endswith("over 3 seeds against the dense nets")
