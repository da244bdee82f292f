"""The energy study's summary: reductions, the choice on validation, the front; by hand on a made table."""

import pandas as pd
import pytest

from pipeline.report.studies import StudySummary
from pipeline.report.studies.energy.settings import all_settings, setting_name
from pipeline.report.studies.energy.summary import summarize
from snnprune.core.errors import UserError
from tests.pipeline.report.tables import ENERGY, PROFILES, context, energy_table, row_of


def on_test() -> pd.DataFrame:
    return all_settings(energy_table(), ENERGY.steps, PROFILES)[1]


def summary_of(table: pd.DataFrame, max_loss: float = ENERGY.max_loss) -> StudySummary:
    return summarize(table, context(ENERGY.model_copy(update={"max_loss": max_loss})))


def poisoned() -> pd.DataFrame:
    """The made table with the same accuracy everywhere on test."""
    table = energy_table()
    table.loc[(table["split"] == "test") & (table["layer"] == "all"), "accuracy"] = 0.1
    return table


def test_reductions_by_hand() -> None:
    results = on_test()
    whole = row_of(results, method="dense", steps=6)
    assert whole.reduction["flat"].mean == whole.formula.mean == 0
    half = row_of(results, method="cqp", level=0.5, steps=3)  # half the synapses, half the steps
    assert half.formula.mean == pytest.approx(0.75)
    assert half.reduction["flat"].mean == pytest.approx(0.75)  # counts nothing but operations
    assert half.truncation["flat"].mean == pytest.approx(0.5)
    # seed 0: (2 * 300 + 15 + 22.5) of (2 * 1200 + 60 + 45)
    updates_left = [(615 * (1 + seed) + 22.5) / (2460 * (1 + seed) + 45) for seed in range(3)]
    assert half.reduction["cheap"].mean == pytest.approx(1 - sum(updates_left) / 3)
    assert half.csr_bytes == 8 * 550 + 100
    short = row_of(results, method="cqp", level=0.5, truncated=True)
    assert short.truncated and short.mean_steps == pytest.approx(13 / 3)
    assert short.formula.mean == pytest.approx(1 - 0.5 * 13 / 18)
    assert setting_name(short, 6) == "cqp@0.50, T' = 4.3 of 6 steps"


def test_the_cheapest_setting_is_chosen_on_validation() -> None:
    """0.012 may be lost: of the nets at 0.5 three steps lose 0.010 and 0.0004, of those at 0.9 none is good enough."""
    for table in (energy_table(), poisoned()):
        chosen = summary_of(table).more["cheapest"]["flat"]
        assert (chosen["method"], chosen["level"], chosen["steps"]) == ("cqp", 0.5, 3)
    strict = summary_of(poisoned(), max_loss=0.0).more["cheapest"]["flat"]
    assert (strict["method"], strict["steps"]) == ("dense", 6)


def test_the_front_is_chosen_on_validation_and_reported_on_test() -> None:
    before, after = (summary_of(table).csv_tables["front"] for table in (energy_table(), poisoned()))
    assert after[["profile", "method", "steps"]].equals(before[["profile", "method", "steps"]])
    assert after["accuracy"].tolist() == pytest.approx([0.1] * len(before))


def test_the_way_from_the_formula_to_the_count() -> None:
    results = on_test()
    assert len(results) == 5 * 3
    for result in results.itertuples():
        for name in PROFILES:
            gap = result.gap[name]
            assert result.formula.mean + sum(gap.values()) == pytest.approx(result.reduction[name].mean)
            assert gap["activity"] == pytest.approx(0, abs=1e-12)  # operations go with synapses and steps here
            assert gap["prices"] == pytest.approx(0, abs=1e-12)  # and all layers are pruned alike
    half = row_of(results, method="cqp", level=0.5, steps=6)
    assert half.gap["flat"]["neuron_updates"] == pytest.approx(0, abs=1e-12)
    assert half.gap["cheap"]["neuron_updates"] < 0
    table = energy_table()
    busy = (table["method"] == "cqp") & (table["level"] == 0.5)
    table.loc[busy, "acs"] *= 3  # spikes are accumulated, for half the price of what the pixels cost
    half = row_of(summary_of(table).results, method="cqp", level=0.5, steps=6)
    # of 1200 + 60 operations (per seed) are left 600 + 90, of 2460 picojoules 1290
    assert half.gap["cheap"]["activity"] == pytest.approx(630 / 1260 - 690 / 1260)
    assert half.gap["cheap"]["prices"] == pytest.approx(690 / 1260 - 1290 / 2460)


def test_the_grid_has_every_setting_by_profile() -> None:
    grid = summary_of(energy_table()).csv_tables["grid"]
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
    summary = summary_of(energy_table())
    grid, front = summary.csv_tables["grid"], summary.csv_tables["front"]
    assert set(front["profile"]) == set(PROFILES)
    assert len(front.merge(grid, on=list(front.columns))) == len(front) < len(grid)
    for profile, rows in front.groupby("profile"):
        assert rows["energy_pj"].is_monotonic_increasing, profile
    assert [line.partition(":")[0] for line in summary.findings] == list(PROFILES)
    assert len(summary.page_tables[0].rows) == len(front[(front["profile"] == "cheap") & (front["accuracy"] > 0.88)])


def test_a_dense_net_that_computes_nothing_is_refused() -> None:
    table = energy_table()
    table.loc[table["method"] == "dense", ["macs", "acs"]] = 0.0
    with pytest.raises(UserError, match="the dense net of seed 0 computes nothing on the validation samples"):
        summary_of(table)
