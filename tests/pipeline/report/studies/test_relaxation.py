"""The relaxation study's summary, by hand."""

import pytest

from pipeline.report.statistics import Interval
from pipeline.report.studies.relaxation import summarize
from tests.pipeline.report.tables import LEVELS, relaxation_table


def test_summary_by_hand() -> None:
    summary = summarize(relaxation_table())
    by = {(r.form, r.level): r for r in summary.results}
    assert list(by) == [(form, level) for level in LEVELS for form in ("budget", "energy")]
    # 0.09 * 0.5 * 0.5 and, for the seeds, 41.2, 41.6, 42.0 points
    assert by["budget", 0.5].overshoot_points.mean == pytest.approx(2.25)
    assert by["energy", 0.5].overshoot_points.mean == pytest.approx(41.6)
    assert by["energy", 0.5].overshoot_points.sd == pytest.approx(0.4)
    assert by["energy", 0.5].loss_points.mean == pytest.approx(50.0)
    assert by["energy", 0.5].matched_points.mean == pytest.approx(20.0)
    assert by["energy", 0.5].matched_points.sd == pytest.approx(0.2)
    assert by["budget", 0.98].matched_points.mean == pytest.approx(0.0)
    assert by["energy", 0.5].protected.mean == 21_000
    assert (by["energy", 0.95].feasible_seeds, by["energy", 0.95].seeds) == (0, 3)
    assert by["energy", 0.95].overshoot_points is None
    assert summary.metrics["overshoot_points/energy/0.50"] == pytest.approx(41.6)
    assert summary.metrics["matched_points/energy/0.50"] == pytest.approx(20.0)
    assert not [key for key in summary.metrics if key.endswith("/energy/0.95")]
    assert len(summary.findings) == 5
    assert "+2.25 points, at 50 %" in summary.findings[0]
    assert "at 98 % the rounded mask loses 32.50 points" in summary.findings[1]
    assert "infeasible for some seed at 95 %, 98 %" in summary.findings[4]


@pytest.mark.parametrize("gain", [0.0, 0.25])
def test_a_rounded_mask_that_loses_nothing_is_said_to(gain: float) -> None:
    table = relaxation_table()
    table["accuracy_exact"] = table["accuracy_rounded"] - gain
    assert len([line for line in summarize(table).findings if "loses no test accuracy" in line]) == 2


def test_only_feasible_seeds_count() -> None:
    table = relaxation_table()
    table.loc[(table["seed"] > 0) & (table["form"] == "energy"), "feasible"] = False
    table.loc[(table["seed"] > 0) & (table["form"] == "energy"), "accuracy_matched"] = 0.123
    entry = next(r for r in summarize(table).results if (r.form, r.level) == ("energy", 0.5))
    assert (entry.feasible_seeds, entry.seeds) == (1, 3)
    assert (entry.matched_points.n, entry.matched_points.mean) == (1, pytest.approx(19.8))
    assert entry.overshoot_points == Interval(1, pytest.approx(41.2))


def test_an_exact_mask_that_cannot_be_gives_no_loss() -> None:
    """Between k and k / 0.85 protected synapses the relaxed program is feasible, the exact one is not."""
    table = relaxation_table()
    table.loc[table["form"] == "energy", "accuracy_exact"] = None
    summary = summarize(table)
    entry = next(r for r in summary.results if (r.form, r.level) == ("energy", 0.5))
    assert entry.accuracy_rounded and entry.accuracy_matched
    assert not (entry.loss_points or entry.matched_points or entry.accuracy_exact)
    assert "loss_points/energy/0.50" not in summary.metrics
