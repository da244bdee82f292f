"""Energy study: rows from real runs, reductions, the choice on validation, the front; by hand on a made table."""

from typing import Any

import pandas as pd
import pytest

from pipeline.report.studies.energy import summarize
from pipeline.report.studies.energy_settings import Settings, all_settings
from pipeline.report.studies.energy_tables import front_rows, grid_rows, net_rows
from pipeline.studies.energy import Params as EnergyParams
from snnprune.core.errors import UserError
from snnprune.energy.front import pareto_front
from tests.pipeline.studies.tables import ENERGY, PROFILES, energy_table


def find(results: list[dict[str, Any]], method: str, level: float, steps: int | None) -> dict[str, Any]:
    return next(r for r in results if (r["method"], r["level"], r["steps"]) == (method, level, steps))


def settings() -> Settings:
    return all_settings(energy_table(), ENERGY.steps, PROFILES)


def test_reductions_by_hand() -> None:
    results = settings().test
    whole = find(results, "dense", 0.0, 6)
    assert whole["reduction"]["flat"]["mean"] == whole["formula"]["mean"] == 0
    half = find(results, "cqp", 0.5, 3)  # half the synapses, half the steps
    assert half["formula"]["mean"] == pytest.approx(0.75)
    assert half["reduction"]["flat"]["mean"] == pytest.approx(0.75)  # counts nothing but operations
    # seed 0: (2 * 300 + 15 + 22.5) of (2 * 1200 + 60 + 45)
    updates_left = [(615 * (1 + seed) + 22.5) / (2460 * (1 + seed) + 45) for seed in range(3)]
    assert half["reduction"]["cheap"]["mean"] == pytest.approx(1 - sum(updates_left) / 3)
    assert half["reduction"]["cheap"]["mean"] < 0.75
    short = find(results, "cqp", 0.5, None)
    assert short["truncated"] and short["mean_steps"] == pytest.approx(13 / 3)
    assert short["formula"]["mean"] == pytest.approx(1 - 0.5 * 13 / 18)
    assert half["csr_bytes"] == 8 * 550 + 100


def test_the_cheapest_setting_is_chosen_on_validation() -> None:
    """0.012 may be lost: of the nets at 0.5 three steps lose 0.010 and 0.0004, of those at 0.9 none is good enough."""
    table = energy_table()
    chosen = summarize(table, ENERGY, PROFILES)["cheapest"]["flat"]
    assert (chosen["method"], chosen["level"], chosen["steps"]) == ("cqp", 0.5, 3)
    test = (table["split"] == "test") & (table["layer"] == "all")
    table.loc[test, "accuracy"] = 0.1  # whatever test says
    again = summarize(table, ENERGY, PROFILES)["cheapest"]["flat"]
    assert (again["method"], again["level"], again["steps"]) == ("cqp", 0.5, 3)
    strict = summarize(table, EnergyParams(steps=[3], max_loss=0.0), PROFILES)["cheapest"]["flat"]
    assert (strict["method"], strict["level"], strict["steps"]) == ("dense", 0.0, 6)


def test_the_front_is_chosen_on_validation_and_told_of_test() -> None:
    table = energy_table()
    before = summarize(table, ENERGY, PROFILES)["tables"]["front"]
    test = (table["split"] == "test") & (table["layer"] == "all")
    table.loc[test, "accuracy"] = 0.1
    after = summarize(table, ENERGY, PROFILES)["tables"]["front"]
    assert [(point["method"], point["steps"]) for point in after] == [(p["method"], p["steps"]) for p in before]
    assert [point["accuracy"] for point in after] == pytest.approx([0.1] * len(before))


def test_the_way_from_the_formula_to_the_count() -> None:
    results = settings().test
    assert len(results) == 5 * 3
    for result in results:
        for name in PROFILES:
            gap = result["gap"][name]
            assert result["formula"]["mean"] + sum(gap.values()) == pytest.approx(result["reduction"][name]["mean"])
            assert gap["activity"] == pytest.approx(0, abs=1e-12)  # operations go with synapses and steps here
            assert gap["prices"] == pytest.approx(0, abs=1e-12)  # and all layers are pruned alike
    half = find(results, "cqp", 0.5, 6)
    assert half["gap"]["flat"]["neuron_updates"] == pytest.approx(0, abs=1e-12)
    assert half["gap"]["cheap"]["neuron_updates"] < 0
    table = energy_table()
    busy = (table["method"] == "cqp") & (table["level"] == 0.5)
    table.loc[busy, "acs"] *= 3  # spikes are accumulated, for half the price of what the pixels cost
    half = find(summarize(table, ENERGY, PROFILES)["results"], "cqp", 0.5, 6)
    # of 1200 + 60 operations (per seed) are left 600 + 90, of 2460 picojoules 1290
    assert half["gap"]["cheap"]["activity"] == pytest.approx(630 / 1260 - 690 / 1260)
    assert half["gap"]["cheap"]["prices"] == pytest.approx(690 / 1260 - 1290 / 2460)


def test_what_truncation_alone_saves() -> None:
    result = find(settings().test, "cqp", 0.5, 3)
    assert result["truncation"]["flat"]["mean"] == pytest.approx(0.5)
    assert result["reduction"]["flat"]["mean"] == pytest.approx(0.75)


def test_the_row_of_a_net_by_hand() -> None:
    rows = {(row["seed"], row["method"], row["level"]): row for row in net_rows(energy_table(), PROFILES)}
    assert len(rows) == 3 * 5
    row = rows[2, "cqp", 0.5]  # three times the operations of seed 0; T' is 5 of 6
    assert (row["steps"], row["truncated_steps"], row["sparsity"]) == (6, 5, 0.5)
    assert (row["effective_macs"], row["effective_acs"], row["neuron_updates"]) == (1800, 90, 90)
    assert (row["truncated_effective_macs"], row["truncated_effective_acs"]) == (1500, 75)
    assert row["energy_pj_cheap"] == 2 * 1800 + 90 + 45
    assert row["reduction_flat"] == pytest.approx(0.5)
    assert row["truncated_reduction_flat"] == pytest.approx(1 - 0.5 * 5 / 6)
    assert (row["dense_macs"], row["dense_acs"], row["csr_bytes"]) == (6000, 600, 4500)
    assert row["accuracy"] == pytest.approx(0.98 - 0.1 / 256 - 0.002)
    assert row["truncated_accuracy"] == pytest.approx(row["accuracy"] - 0.02 / 6)
    assert rows[0, "dense", 0.0]["reduction_cheap"] == 0


def test_the_grid_has_every_setting_by_profile() -> None:
    grid = pd.DataFrame(grid_rows(settings(), PROFILES))
    assert len(grid) == 2 * 5 * 3
    row = grid.query("profile == 'cheap' and method == 'cqp' and level == 0.5 and steps == 3").iloc[0]
    assert row["formula"] == pytest.approx(0.75) and row["sparsity"] == pytest.approx(0.5)
    gaps = row[["gap_activity", "gap_prices", "gap_neuron_updates"]].sum()
    assert row["formula"] + gaps == pytest.approx(row["reduction"])
    assert row["reduction_low"] < row["reduction"] < row["reduction_high"]
    assert row["accuracy"] == pytest.approx(0.98 - 0.1 / 256 - 0.01 - 0.001)
    assert row["difference"] == pytest.approx(-0.1 / 256 - 0.01)
    assert row["energy_pj"] == pytest.approx(2 * 2 * 300 + 2 * 15 + 22.5)  # the mean seed has twice seed 0's operations
    assert grid[grid["truncated"]]["steps"].tolist() == pytest.approx([13 / 3] * 10)


def test_the_rows_of_the_front_are_rows_of_the_grid() -> None:
    found = settings()
    grid = pd.DataFrame(grid_rows(found, PROFILES))
    front = pd.DataFrame(front_rows(found, PROFILES))
    assert set(front["profile"]) == set(PROFILES)
    assert len(front.merge(grid, on=list(front.columns))) == len(front) < len(grid)
    for profile, rows in front.groupby("profile"):
        assert rows["energy_pj"].is_monotonic_increasing, profile
        assert [(row.method, row.level) for row in rows.itertuples()] == [
            (found.validation[i]["method"], found.validation[i]["level"]) for i in found.front(profile)
        ]


def test_a_net_without_a_redundant_step_is_told_once() -> None:
    table = energy_table()
    table["truncated"] = table["steps"] == 6
    findings = summarize(table, ENERGY, PROFILES)["findings"]
    told = [line.partition(":")[0] for line in findings if ": saved by count" in line]
    assert told == ["cqp at 0.5, 6 of 6 steps", "cqp at 0.9, 6 of 6 steps"]


def test_a_dense_net_that_computes_nothing_is_told() -> None:
    table = energy_table()
    table.loc[table["method"] == "dense", ["macs", "acs"]] = 0.0
    with pytest.raises(UserError, match="the dense net of seed 0 computes nothing on the validation samples"):
        summarize(table, ENERGY, PROFILES)


def test_the_findings_say_what_was_counted() -> None:
    findings = summarize(energy_table(), ENERGY, PROFILES)["findings"]
    assert findings[0].startswith("dense, T' = 4.3 of 6 steps: saved by count ")
    assert "(cheap), by the paper's formula 27.78" in findings[0]
    cheapest = [line for line in findings if line.startswith("flat: cheapest setting")]
    assert cheapest[0].startswith("flat: cheapest setting within 1.2 points on validation: cqp at 0.5, 3 of 6 steps")
    assert findings[-1].startswith("bytes of the weights, dense / CSR / bit mask: dense 4,400 / 8,900 / 4,538; cqp at ")


@pytest.mark.parametrize(
    ("accuracies", "energies", "front"),
    [
        ([0.9, 0.8, 0.7], [3.0, 2.0, 1.0], [2, 1, 0]),
        ([0.9, 0.8, 0.95], [3.0, 2.0, 1.0], [2]),
        ([0.9, 0.9, 0.9], [2.0, 1.0, 1.0], [1]),
        ([0.5, 0.6, 0.55], [1.0, 1.0, 2.0], [1]),
        ([], [], []),
    ],
)
def test_the_front(accuracies: list[float], energies: list[float], front: list[int]) -> None:
    assert pareto_front(accuracies, energies) == front


def test_the_front_against_brute_force() -> None:
    table = energy_table()
    mine = table[table["layer"] == "all"].reset_index(drop=True)
    accuracies, energies = mine["accuracy"].tolist(), mine["energy_pj_cheap"].tolist()
    front = pareto_front(accuracies, energies)

    def beaten(i: int, j: int) -> bool:
        as_good = accuracies[j] >= accuracies[i] and energies[j] <= energies[i]
        return as_good and (accuracies[j] > accuracies[i] or energies[j] < energies[i])

    unbeaten = {i for i in range(len(mine)) if not any(beaten(i, j) for j in range(len(mine)))}
    assert set(front) <= unbeaten
    assert {(accuracies[i], energies[i]) for i in unbeaten} == {(accuracies[i], energies[i]) for i in front}
