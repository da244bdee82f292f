"""The relaxation study: one level recomputed in another way, the feasibility bound, and its summary by hand."""

from typing import Any

import pytest

from pipeline.report.studies.relaxation import summarize
from tests.pipeline.studies.tables import LEVELS, relaxation_table


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
