"""The summary of training from scratch by hand: paired with the pruned nets of the same seed and level."""

import pytest
from matplotlib import pyplot

from pipeline.report.studies import load_report
from pipeline.report.studies.scratch import summarize
from snnprune.core.errors import UserError
from tests.pipeline.report.drawn import points
from tests.pipeline.report.tables import context, evaluated_table, row_of, scratch_table, summary_of


def pruned(method: str, level: float, seed: int) -> float:
    """Accuracy of `evaluated_table`."""
    own = level if method == "cqp" else 0
    return 0.985 - {"cqp": 0.02, "magnitude": 0.05}[method] * level**10 - 0.001 * seed * (1 + own)


def test_differences_by_hand() -> None:
    summary = summary_of("scratch", scratch_table().sample(frac=1, random_state=0))
    one = row_of(summary.results, method="snip", level=0.95)
    mine = [0.97 - 0.08 - 0.001 * seed for seed in range(3)]
    for method, found in (("cqp", one.against_cqp), ("magnitude", one.against_magnitude)):
        differences = [mine[seed] - pruned(method, 0.95, seed) for seed in range(3)]
        assert found.mean == pytest.approx(sum(differences) / 3)
    # minus 1 a seed there, minus 1.95 here: the pairs differ by 0.95 each
    assert one.against_cqp.sd == pytest.approx(0.00095)
    assert summary.metrics["against_cqp/snip_0.95"] == one.against_cqp.mean
    assert one.energy_once_pj.mean == pytest.approx(150)
    beside = row_of(summary.results, method="cqp", level=0.9)
    assert (beside.scratch, beside.against_cqp) == (False, None)
    assert beside.accuracy.mean == pytest.approx(pruned("cqp", 0.9, 1))
    assert sorted(summary.results["level"].unique()) == [0.9, 0.95]


def test_findings_are_about_the_best_on_validation() -> None:
    table = scratch_table()
    found = summary_of("scratch", table).findings
    assert [line.split(" is the best")[0] for line in found] == ["At 90 % lottery", "At 95 % lottery"]
    table.loc[(table["method"] == "set") & (table["level"] == 0.95), "validation_accuracy"] = 0.99
    (_, high) = summary_of("scratch", table).findings
    assert high.startswith("At 95 % set is the best from scratch: 93.00 ± 0.00 %, ")


def test_nets_without_a_partner_are_refused() -> None:
    lacking = evaluated_table().query("method != 'magnitude' or level < 0.95")
    with pytest.raises(UserError, match=r"other levels than the evaluated nets of magnitude \(0.5, 0.7, 0.8, 0.9\)"):
        summarize(scratch_table(), context(evaluated=lacking))


def test_numbers_are_drawn_where_they_belong() -> None:
    (drawing,) = load_report("scratch").drawings
    figure = drawing.draw(summary_of("scratch"))
    assert points(figure, 0, "set") == (pytest.approx([0.1, 0.05]), pytest.approx([95.0, 93.0]))
    lost = [100 * (0.97 - pruned("cqp", level, 1)) for level in (0.9, 0.95)]
    assert points(figure, 1, "lottery")[1] == pytest.approx(lost)
    assert points(figure, 0, "magnitude, pruned")[1][0] == pytest.approx(100 * pruned("magnitude", 0.9, 1))
    pyplot.close("all")
