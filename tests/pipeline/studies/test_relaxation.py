"""The relaxation study: its levels recomputed in another way, and the feasibility bound."""

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.studies import relaxation
from snnprune.core.dataset import Dataset
from snnprune.core.network import SpikingNetwork
from snnprune.core.training.evaluate import accuracy
from snnprune.pruning.relaxations import Solver, solve_budget
from snnprune.pruning.second_solver import Opinion
from tests.pipeline.studies.made import SIZES, SYNAPSES, Dense, Measure

Scored = tuple[np.ndarray, np.ndarray]


def accuracy_times(network: SpikingNetwork, factors: np.ndarray, dataset: Dataset) -> float:
    """Test accuracy with all weights times one flat vector."""
    for name, part in zip(SIZES, np.split(factors, np.cumsum(list(SIZES.values()))[:-1]), strict=True):
        weight = network.get_parameter(name)
        weight.data *= torch.from_numpy(part.reshape(weight.shape)).float()
    return accuracy(network, dataset.test)


def top(importance: np.ndarray, keep: int) -> np.ndarray:
    mask = np.zeros(SYNAPSES, bool)
    mask[np.argsort(-importance, kind="stable")[:keep]] = True
    return mask


@pytest.fixture
def masks(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Every mask whose accuracy is taken, flat, in turn."""
    original, seen = relaxation.accuracy_under, []

    def watched(network: SpikingNetwork, factors: dict[str, torch.Tensor], split: object) -> float:
        seen.append(torch.cat([factors[name].flatten() for name in SIZES]).numpy())
        return original(network, factors, split)

    monkeypatch.setattr(relaxation, "accuracy_under", watched)
    return seen


@pytest.fixture
def rows(masks: list[np.ndarray], measure: Measure) -> pd.DataFrame:
    return measure("relaxation", alpha=0.5, tau=0.3, tolerance=1e-6, max_iter=100_000).set_index(["form", "level"])


@pytest.fixture
def scored(dense: Dense, critical: dict[str, torch.Tensor]) -> Scored:
    """Importance with alpha 0.5 of every synapse, and what tau = 0.3 protects."""
    found = [critical[name].numpy() for name in SIZES]
    flat = np.concatenate([c.ravel() for c in found]).astype(float)
    columns = np.concatenate([np.broadcast_to(c.mean(0, keepdims=True), c.shape).ravel() for c in found])
    weights = np.concatenate([dense().get_parameter(name).detach().numpy().ravel() for name in SIZES])
    return np.abs(weights) * np.sqrt(flat / flat.max()), columns / columns.max() > 0.3


@pytest.mark.parametrize(("level", "turn"), [(0.5, 0), (0.9, 8)])  # after four of `budget` and of `energy` at 0.5
def test_budget_at_one_level(
    rows: pd.DataFrame,
    masks: list[np.ndarray],
    scored: Scored,
    dense: Dense,
    dataset: Dataset,
    level: float,
    turn: int,
) -> None:
    importance, _ = scored
    row, keep = rows.loc[("budget", level)], round((1 - level) * SYNAPSES)
    # By bisection: sum_i max(0, 1 - h / I_i) = k.
    low, high = 0.0, importance.max()
    for _ in range(200):
        half = (low + high) / 2
        mask = np.maximum(0, 1 - half / np.maximum(importance, 1e-300))
        low, high = (half, high) if mask.sum() > keep else (low, half)
    assert mask.sum() == pytest.approx(keep)
    assert np.abs(mask - 0.5).min() > 1e-4  # nothing so near that rounding is a matter of tolerance
    assert row["feasible"]
    assert row["protected"] == 0
    assert row["sparsity"] == pytest.approx(1 - (mask > 0.5).mean())
    assert row["sparsity"] != pytest.approx(level, abs=1e-3)
    assert row["ideal_sparsity"] == row["sparsity"]
    assert row["fractional_share"] == pytest.approx(((mask > 1e-3) & (mask < 1 - 1e-3)).mean(), abs=0.01)
    assert 0 < row["distance"] < 0.01
    assert row["accuracy_rounded"] == accuracy_times(dense(), mask > 0.5, dataset)
    solved = solve_budget(importance, keep, Solver(1e-6, 100_000)).mask.clip(0, 1)
    assert row["accuracy_fractional"] == accuracy_times(dense(), solved, dataset)
    assert row["accuracy_exact"] == accuracy_times(dense(), top(importance, keep), dataset)
    assert row["accuracy_matched"] == row["accuracy_rounded"]
    # The rounded mask is the exact one of its own sparsity: what it loses it loses by missing the target.
    fractional, rounded, matched = masks[turn + 1], masks[turn + 2], masks[turn + 3]
    assert np.array_equal(rounded, fractional > 0.5)
    assert np.array_equal(matched, top(importance, rounded.sum()))
    clear = np.abs(fractional - 0.5) > 1e-4
    assert clear.mean() > 0.99
    assert np.array_equal(rounded[clear], matched[clear])


def test_energy_drops_the_unprotected_whatever_the_target(
    rows: pd.DataFrame, masks: list[np.ndarray], scored: Scored, dense: Dense, dataset: Dataset
) -> None:
    importance, protected = scored
    low, high = rows.loc[("energy", 0.5)], rows.loc[("energy", 0.9)]
    assert low["protected"] == high["protected"] == protected.sum()
    assert low["feasible"]
    assert low["sparsity"] == pytest.approx(1 - protected.mean(), abs=0.01)  # nearly-zero weights are any m
    assert low["sparsity"] > 0.5 + 0.05
    assert low["ideal_sparsity"] == pytest.approx(1 - protected.mean(), abs=1e-12)
    assert not high["feasible"]
    figures = ["sparsity", "ideal_sparsity", "fractional_share", "distance", "iterations"]
    assert high[[*figures, "accuracy_fractional", "accuracy_rounded", "accuracy_matched"]].isna().all()
    keep = SYNAPSES // 2
    exact = np.zeros(SYNAPSES, bool)
    exact[np.lexsort((np.arange(SYNAPSES), -importance, ~protected))[:keep]] = True
    assert protected.sum() <= exact.sum() == keep
    # In turn, four masks a program; at 0.9 `energy` has none, and cannot protect so many either.
    assert len(masks) == 12
    assert np.array_equal(masks[4], exact)
    assert np.allclose(masks[5][protected], 0.85, atol=1e-3)
    assert masks[6][protected].all()
    matched = top(importance, masks[6].sum())  # of its own sparsity, but by importance alone
    assert np.array_equal(masks[7], matched)
    assert not np.array_equal(masks[7], masks[6])
    assert low["accuracy_matched"] == accuracy_times(dense(), matched, dataset)
    assert pd.isna(high["accuracy_exact"])
    assert low["accuracy_exact"] == accuracy_times(dense(), exact, dataset)


def test_every_program_has_a_second_opinion(rows: pd.DataFrame) -> None:
    solved = rows[rows["feasible"]]
    assert solved["second_status"].tolist() == ["optimal"] * 3
    budget = solved.loc["budget"]
    assert budget["second_distance"].between(0, 0.01, inclusive="right").all()
    assert budget["second_objective"].abs().max() < 1e-3
    assert budget["second_differing"].tolist() == [0, 0]
    (infeasible,) = rows[~rows["feasible"]].itertuples()
    assert pd.isna([infeasible.second_status, infeasible.second_distance, infeasible.second_differing]).all()


def test_an_osqp_that_stops_early_is_seen(rows: pd.DataFrame, measure: Measure) -> None:
    early = measure("relaxation", alpha=0.5, tau=0.3, tolerance=0.1).set_index(["form", "level"])
    far, near = (found.loc[("budget", 0.5), "second_distance"] for found in (early, rows))
    assert far > 2 * near


def test_a_second_solver_that_fails_is_a_status_and_no_crash(measure: Measure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relaxation, "second_budget", lambda *_: Opinion("solver_error", None))
    found = measure("relaxation", tau=0.3).set_index(["form", "level"])
    budget = found.loc["budget"]
    assert budget["second_status"].tolist() == ["solver_error"] * 2
    assert budget[["second_distance", "second_objective", "second_differing"]].isna().all(axis=None)
    assert budget["sparsity"].notna().all()
    assert found.loc[("energy", 0.5), "second_status"] == "optimal"


def test_the_bound_is_exact(rows: pd.DataFrame) -> None:
    assert rows.loc["budget", "bound"].isna().all()
    # 0.85 p <= 242 and 0.85 p <= 49
    assert rows.loc["energy", "bound"].tolist() == [284, 57]
    for size in (1, 7, 20, 100, 1000):
        for drop in range(size + 1):
            feasible = [protected for protected in range(size + 1) if 0.85 * protected <= size - drop]
            assert relaxation._bound(size, drop) == max(feasible)
