"""The relaxation study: one level recomputed in another way, the feasibility bound, and its summary by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pipeline.studies.params import RelaxationParams

from pipeline.report.studies.relaxation import summarize
from pipeline.studies import relaxation
from pipeline.studies.relaxation import relaxation_rows
from snnprune.core.dataset import Dataset
from snnprune.core.seeds import derive_seed
from snnprune.pruning.iterate import CRITICALITY, measure
from snnprune.pruning.params import PruneParams
from snnprune.pruning.relaxations import Solver, is_energy_feasible, solve_budget
from snnprune.snn.network import SpikingNetwork
from snnprune.training.evaluate import accuracy
from tests.pipeline.studies.made import SIZES, SYNAPSES
from tests.pipeline.studies.tables import LEVELS, relaxation_table

Dense = Callable[[], SpikingNetwork]


def linears(network: SpikingNetwork) -> list[torch.nn.Linear]:
    return [module for module in network.layers if isinstance(module, torch.nn.Linear)]


def accuracy_times(network: SpikingNetwork, factors: np.ndarray, dataset: Dataset) -> float:
    """Test accuracy with all Linear weights times one flat vector."""
    for linear, part in zip(linears(network), np.split(factors, np.cumsum(list(SIZES.values()))[:-1]), strict=True):
        linear.weight.data *= torch.from_numpy(part.reshape(linear.weight.shape)).float()
    return accuracy(network, dataset.test)


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
def rows(masks: list[np.ndarray], dense: Dense, dataset: Dataset, prune: PruneParams) -> pd.DataFrame:
    params = RelaxationParams(tau=0.3, tolerance=1e-6, max_iter=100_000)
    return pd.DataFrame(relaxation_rows(dense(), dataset, params, prune, seed=0)).set_index(["form", "level"])


@pytest.fixture
def scored(dense: Dense, dataset: Dataset, prune: PruneParams) -> tuple[np.ndarray, np.ndarray]:
    """Importance with alpha 0.5 of every synapse, and what tau = 0.3 protects."""
    network = dense()
    found = measure(network, list(SIZES), dataset.train, prune.criticality, derive_seed(0, 0, CRITICALITY))()
    critical = np.concatenate([found[name].numpy().ravel() for name in SIZES]).astype(float)
    columns = np.concatenate(
        [np.broadcast_to(c.mean(0, keepdims=True), c.shape).ravel() for c in (found[name].numpy() for name in SIZES)]
    )
    weights = np.concatenate([linear.weight.detach().numpy().ravel() for linear in linears(network)])
    return np.abs(weights) * np.sqrt(critical / critical.max()), columns / columns.max() > 0.3


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_budget_at_one_level(
    rows: pd.DataFrame, scored: tuple[np.ndarray, np.ndarray], dense: Dense, dataset: Dataset, level: float
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
    assert row["accuracy_rounded"] == accuracy_times(dense(), (mask > 0.5).astype(float), dataset)
    solved = solve_budget(importance, keep, Solver(1e-6, 100_000)).mask.clip(0, 1)
    assert row["accuracy_fractional"] == accuracy_times(dense(), solved, dataset)
    exact = np.zeros(SYNAPSES)
    exact[np.argsort(-importance, kind="stable")[:keep]] = 1
    assert row["accuracy_exact"] == accuracy_times(dense(), exact, dataset)
    assert row["accuracy_matched"] == row["accuracy_rounded"]


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_the_rounded_mask_of_budget_is_the_exact_one_of_its_own_sparsity(
    rows: pd.DataFrame, masks: list[np.ndarray], scored: tuple[np.ndarray, np.ndarray], level: float
) -> None:
    """So against `matched` it loses nothing: what it loses against `exact` it loses by missing the target."""
    importance, _ = scored
    turn = {0.5: 0, 0.9: 8}[level]  # after the four of `budget` and of `energy` at 0.5
    fractional, rounded, matched = masks[turn + 1], masks[turn + 2], masks[turn + 3]
    assert np.array_equal(rounded, fractional > 0.5)
    top = np.zeros(SYNAPSES, bool)
    top[np.argsort(-importance, kind="stable")[: rounded.sum()]] = True
    assert np.array_equal(matched, top)
    clear = np.abs(fractional - 0.5) > 1e-4
    assert clear.mean() > 0.99
    assert np.array_equal(rounded[clear], top[clear])
    assert rounded.sum() == top.sum() != round((1 - level) * SYNAPSES)


def test_energy_drops_the_unprotected_whatever_the_target(
    rows: pd.DataFrame,
    masks: list[np.ndarray],
    scored: tuple[np.ndarray, np.ndarray],
    dense: Dense,
    dataset: Dataset,
) -> None:
    importance, protected = scored
    low, high = rows.loc[("energy", 0.5)], rows.loc[("energy", 0.9)]
    assert low["protected"] == high["protected"] == protected.sum()
    assert low["feasible"]
    assert low["sparsity"] == pytest.approx(1 - protected.mean(), abs=0.01)  # nearly-zero weights are any m
    assert low["sparsity"] > 0.5 + 0.05
    assert low["ideal_sparsity"] == pytest.approx(1 - protected.mean(), abs=1e-12)
    assert not high["feasible"]
    blank = [
        "sparsity",
        "ideal_sparsity",
        "fractional_share",
        "distance",
        "iterations",
        "accuracy_fractional",
        "accuracy_rounded",
        "accuracy_matched",
    ]
    assert high[blank].isna().all()
    keep = SYNAPSES // 2
    exact = np.zeros(SYNAPSES)
    exact[np.lexsort((np.arange(SYNAPSES), -importance, ~protected))[:keep]] = 1
    assert protected.sum() <= exact.sum() == keep
    # In turn, four masks a program; at 0.9 `energy` has none, and cannot protect so many either.
    assert len(masks) == 12
    assert np.array_equal(masks[4], exact)
    assert np.allclose(masks[5][protected], 0.85, atol=1e-3)
    assert masks[6][protected].all()
    # Of its own sparsity, but by importance alone.
    matched = np.zeros(SYNAPSES, bool)
    matched[np.argsort(-importance, kind="stable")[: masks[6].sum()]] = True
    assert np.array_equal(masks[7], matched)
    assert not np.array_equal(masks[7], masks[6])
    assert low["accuracy_matched"] == accuracy_times(dense(), matched, dataset)
    assert pd.isna(high["accuracy_exact"])
    assert low["accuracy_exact"] == accuracy_times(dense(), exact, dataset)


def test_the_bound_is_exact(rows: pd.DataFrame) -> None:
    assert rows.loc["budget", "bound"].isna().all()
    for level, drop in ((0.5, 242), (0.9, 435)):
        bound = int(rows.loc[("energy", level), "bound"])
        assert is_energy_feasible(SYNAPSES, bound, drop)
        assert not is_energy_feasible(SYNAPSES, bound + 1, drop)
    # 0.85 p <= 242 and 0.85 p <= 49
    assert rows.loc["energy", "bound"].tolist() == [284, 57]


@pytest.mark.parametrize("size", [1, 7, 20, 100, 1000])
def test_the_bound_by_trying_every_number(size: int) -> None:
    for drop in range(size + 1):
        feasible = [protected for protected in range(size + 1) if 0.85 * protected <= size - drop]
        assert relaxation._bound(size, drop) == max(feasible)


def test_summary_by_hand() -> None:
    summary = summarize(relaxation_table())
    by = {(r["form"], r["level"]): r for r in summary["results"]}
    assert list(by) == [(form, level) for level in LEVELS for form in ("budget", "energy")]
    # 0.09 * 0.5 * 0.5 and, for the seeds, 41.2, 41.6, 42.0 points
    assert by["budget", 0.5]["overshoot_points"]["mean"] == pytest.approx(2.25)
    assert by["energy", 0.5]["overshoot_points"]["mean"] == pytest.approx(41.6)
    assert by["energy", 0.5]["overshoot_points"]["sd"] == pytest.approx(0.4)
    assert by["energy", 0.5]["loss_points"]["mean"] == pytest.approx(50.0)
    assert by["energy", 0.5]["matched_points"]["mean"] == pytest.approx(20.0)
    assert by["energy", 0.5]["matched_points"]["sd"] == pytest.approx(0.2)
    assert by["budget", 0.98]["matched_points"]["mean"] == pytest.approx(0.0)
    assert by["energy", 0.5]["protected"]["mean"] == 21_000
    assert (by["energy", 0.95]["feasible_seeds"], by["energy", 0.95]["seeds"]) == (0, 3)
    assert "overshoot_points" not in by["energy", 0.95]
    assert summary["metrics"]["overshoot_points/energy/0.5"] == pytest.approx(41.6)
    assert summary["metrics"]["matched_points/energy/0.5"] == pytest.approx(20.0)
    assert not [key for key in summary["metrics"] if key.endswith("/energy/0.95")]
    assert summary["findings"] == [
        "budget: largest overshoot +2.25 points, at 0.5",
        "budget: at 0.98 the rounded mask loses 32.50 points of test accuracy against the exact mask of the asked "
        "sparsity, 0.00 against the exact mask of its own",
        "energy: largest overshoot +41.60 points, at 0.5",
        "energy: at 0.5 the rounded mask loses 50.00 points of test accuracy against the exact mask of the asked "
        "sparsity, 20.00 against the exact mask of its own",
        "energy: infeasible for some seed at 0.95, 0.98",
    ]


@pytest.mark.parametrize("gain", [0.0, 0.25])
def test_a_rounded_mask_that_loses_nothing_is_said_to(gain: float) -> None:
    table = relaxation_table()
    table["accuracy_exact"] = table["accuracy_rounded"] - gain
    found = [line for line in summarize(table)["findings"] if "loses" in line]
    assert found == [
        f"{form}: the rounded mask loses no test accuracy against the exact mask of the asked sparsity"
        for form in ("budget", "energy")
    ]


def test_only_feasible_seeds_count() -> None:
    table = relaxation_table()
    table.loc[(table["seed"] > 0) & (table["form"] == "energy"), "feasible"] = False
    table.loc[(table["seed"] > 0) & (table["form"] == "energy"), "accuracy_matched"] = 0.123
    entry: dict[str, Any] = next(r for r in summarize(table)["results"] if (r["form"], r["level"]) == ("energy", 0.5))
    assert (entry["feasible_seeds"], entry["seeds"]) == (1, 3)
    assert (entry["matched_points"]["n"], entry["matched_points"]["mean"]) == (1, pytest.approx(19.8))
    assert entry["overshoot_points"] == {
        "n": 1,
        "mean": pytest.approx(41.2),
        "sd": None,
        "low": None,
        "high": None,
    }


def test_an_exact_mask_that_cannot_be_gives_no_loss() -> None:
    """Between k and k / 0.85 protected synapses the relaxed program is feasible, the exact one is not."""
    table = relaxation_table()
    table.loc[table["form"] == "energy", "accuracy_exact"] = None
    summary = summarize(table)
    entry = next(r for r in summary["results"] if (r["form"], r["level"]) == ("energy", 0.5))
    assert {"accuracy_rounded", "accuracy_matched"} <= set(entry)
    assert not {"loss_points", "matched_points", "accuracy_exact"} & set(entry)
    assert "loss_points/energy/0.5" not in summary["metrics"]
