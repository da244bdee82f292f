"""Each claim's quantity, read from hand-made results."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from pipeline.report.claims import evidence as read
from pipeline.report.claims.evidence import Evidence, Measured, NotMeasured
from pipeline.report.comparison.summary import Comparison, Result
from pipeline.report.statistics import Interval, describe, paired_difference
from tests.pipeline.report.tables import relaxation_table, summary_of

EMPTY = Evidence(Comparison("made", "fair", [], 0, Interval(1, 0.9), []))


def with_study(study: str, **summary: Any) -> Evidence:
    return replace(EMPTY, summaries={study: SimpleNamespace(**summary)})


def with_table(study: str, rows: list[dict[str, Any]]) -> Evidence:
    return replace(EMPTY, tables={study: pd.DataFrame(rows)})


def net(seed: int, method: str = "dense", level: float = 0.0, truncated: int = 9) -> list[dict[str, Any]]:
    """Rows of the study energy of a net of 100 synapses at T = 10 and at T': a picojoule per synapse, step and seed."""
    kept = round(100 * (1 - level))
    about = {"seed": seed, "method": method, "level": level, "timesteps": 10, "synapses": 100, "nnz": kept}
    return [
        about
        | {"layer": layer, "split": split, "steps": steps, "truncated": steps == truncated}
        | {f"energy_pj_{read.PROFILE}": kept * steps * (seed + 1.0), "accuracy": 0.97 + steps / 1000}
        for steps in (truncated, 10)
        for layer, split in (("all", "test"), ("all", "validation"), ("layers.1.weight", "test"))
    ]


def test_margin_and_accuracy_of_the_comparison_are_in_points_and_percent() -> None:
    margin, none = paired_difference([0.97, 0.98, 0.99], [0.96, 0.96, 0.96]), describe([0.5])
    accuracy = describe([0.97, 0.98, 0.99])
    result = Result("cqp", 0.9, 1, [1], none, none, accuracy, none, none, margin)
    found = replace(EMPTY, comparison=replace(EMPTY.comparison, results=[result]))
    points = read.fair_margin(found, 0.9).interval
    assert (points.mean, points.low) == (pytest.approx(2.0), pytest.approx(100 * margin.low))
    assert read.fair_accuracy(found, 0.9).interval.mean == pytest.approx(98.0)
    with pytest.raises(NotMeasured, match="no result of method cqp, level 0.95"):
        read.fair_margin(found, 0.95)
    alone = replace(EMPTY.comparison, results=[replace(result, margin=None)])
    with pytest.raises(NotMeasured, match="magnitude was not pruned"):
        read.fair_margin(replace(EMPTY, comparison=alone), 0.9)


def test_protocol_paper_is_read_from_its_study() -> None:
    summary = summary_of("paper")
    found = replace(EMPTY, summaries={"paper": summary})
    margins = {(one.protocol, one.level): one.margin_points for one in summary.margins}
    assert read.paper_margin(found, 0.9).interval == margins["paper", 0.9] != margins["fair", 0.9]
    # 0.98 - 0.25 * 0.9^8, less 0.01 * seed * 0.9 * (1 + 0.25 * seed)
    mean = 98 - 25 * 0.9**8 - 0.9 * (1.25 + 2 * 1.5) / 3
    assert read.paper_accuracy(found, 0.9).interval.mean == pytest.approx(mean)
    with pytest.raises(NotMeasured, match="level 0.5"):
        read.paper_margin(found, 0.5)


def test_the_largest_over_the_levels_that_every_seed_could_solve() -> None:
    table = relaxation_table()
    table.loc[(table["form"] == "budget") & (table["level"] == 0.98) & (table["seed"] == 0), "feasible"] = False
    found = replace(EMPTY, summaries={"relaxation": summary_of("relaxation", table)})
    budget = read.largest_of_form(found, "budget", "loss_points")
    assert (budget.interval.mean, budget.where) == (pytest.approx(44 * 0.95**15), "at 95 %")  # not at 98 %
    energy = read.largest_of_form(found, "energy", "overshoot_points")
    assert (energy.interval.mean, energy.where) == (pytest.approx(41.6), "at 50 %")
    table["feasible"] = False
    none = replace(EMPTY, summaries={"relaxation": summary_of("relaxation", table)})
    with pytest.raises(NotMeasured, match="form budget was feasible for every seed at no level"):
        read.largest_of_form(none, "budget", "loss_points")


def test_zombies_are_those_that_the_moments_alone_make() -> None:
    rows = [
        {"seed": seed, "setting": setting, "step": step, "zombies": zombies * step}
        for seed in (1, 0)
        for step in (0, 4)
        for setting, zombies in (("none", 99), ("gradients", 10 + seed), ("+ moments", 1), ("+ weights", 0))
    ]
    measured = read.zombies_of_moments(with_table("zombies", rows))
    assert (measured.interval.mean, measured.interval.n, measured.where) == (38.0, 2, "after 4 steps")
    with pytest.raises(NotMeasured, match="same seeds"):
        read.zombies_of_moments(with_table("zombies", [row for row in rows if row["setting"] != "gradients"]))


def test_staleness_is_judged_at_the_highest_level() -> None:
    results = [
        SimpleNamespace(level=level, gain_points=describe([gain, gain + 0.2]))
        for level, gain in ((0.99, 0.5), (0.9, 3))
    ]
    measured = read.gain_of_recomputing(with_study("staleness", results=results))
    assert (measured.interval.mean, measured.where) == (pytest.approx(0.6), "at 99 %")
    with pytest.raises(NotMeasured, match="no level is high enough"):
        read.gain_of_recomputing(with_study("staleness", results=[]))


def test_truncation_of_the_dense_nets() -> None:
    found = with_table("energy", [*net(1, truncated=8), *net(0), *net(0, "cqp", 0.7)])
    steps = read.steps_left_out(found)
    assert (steps.interval.mean, steps.where) == (1.5, "T' = 8.5 of 10 steps")
    assert read.accuracy_change_by_truncation(found).interval.mean == pytest.approx(-0.15)
    assert read.counted_saving(found, "dense", 0.0).interval.mean == pytest.approx(15.0)
    assert read.formula_saving(found, "dense", 0.0).interval.mean == pytest.approx(15.0)


def test_savings_of_a_pruned_net_by_count_and_by_formula() -> None:
    found = with_table("energy", [*net(0), *net(0, "cqp", 0.7), *net(1, "cqp", 0.7), *net(1)])
    found.tables["energy"].loc[lambda rows: rows["method"] == "cqp", f"energy_pj_{read.PROFILE}"] *= 2
    assert read.formula_saving(found, "cqp", 0.7).interval.mean == pytest.approx(73.0)  # 1 - 0.3 * 9 / 10
    assert read.counted_saving(found, "cqp", 0.7).interval.mean == pytest.approx(46.0)  # twice as much is left
    with pytest.raises(NotMeasured, match="no net of cqp at 90 %"):
        read.counted_saving(found, "cqp", 0.9)
    other = found.tables["energy"].drop(columns=f"energy_pj_{read.PROFILE}")
    with pytest.raises(NotMeasured, match="no hardware profile"):
        read.counted_saving(replace(EMPTY, tables={"energy": other}), "cqp", 0.7)


def test_the_fall_ends_at_tau_and_begins_at_the_threshold_before() -> None:
    accuracies = {0.5: 0.95, 0.8: 0.87, 0.9: 0.14}
    rows = [
        {"seed": seed, "rule": rule, "tau": tau, "accuracy": accuracy + seed / 100 if rule == "energy" else 0.9}
        for seed in (0, 1)
        for rule in ("energy", "exact")
        for tau, accuracy in accuracies.items()
    ]
    found = with_table("sweep", rows)
    fall = read.fall_at(found, "energy", 0.9)
    assert (fall.interval.mean, fall.where) == (pytest.approx(73.0), "tau 0.8 to 0.9, 87.5 to 14.5 %")
    assert read.fall_at(found, "exact", 0.9).interval.mean == 0.0
    for tau in (0.5, 0.7):  # the first, and one that is not there
        with pytest.raises(NotMeasured, match=f"tau = {tau:g} is not among"):
            read.fall_at(found, "energy", tau)


def test_alpha_is_held_against_the_best_other_one() -> None:
    accuracies = {0.0: 0.90, 0.25: 0.97, 0.5: 0.96, 1.0: 0.95}
    rows = [
        {"seed": seed, "alpha": alpha, "level": level, "validation_accuracy": accuracy - level / 10 + seed / 50}
        for seed in (0, 1)
        for alpha, accuracy in accuracies.items()
        for level in (0.9, 0.99)
    ]
    lead = read.lead_of_alpha(with_table("alpha", rows), 0.5)
    assert (lead.interval.mean, lead.interval.n, lead.where) == (pytest.approx(-1.0), 2, "the best other is 0.25")
    assert read.lead_of_alpha(with_table("alpha", rows), 0.25).where == "the best other is 0.5"
    with pytest.raises(NotMeasured, match="alpha = 0.75"):
        read.lead_of_alpha(with_table("alpha", rows), 0.75)
    with pytest.raises(NotMeasured, match="alpha = 0.5"):
        read.lead_of_alpha(with_table("alpha", [row for row in rows if row["alpha"] == 0.5]), 0.5)


@pytest.mark.parametrize(
    ("reading", "study"),
    [
        (lambda found: read.paper_margin(found, 0.9), "paper"),
        (lambda found: read.paper_accuracy(found, 0.9), "paper"),
        (lambda found: read.largest_of_form(found, "budget", "loss_points"), "relaxation"),
        (read.zombies_of_moments, "zombies"),
        (read.gain_of_recomputing, "staleness"),
        (read.steps_left_out, "energy"),
        (lambda found: read.fall_at(found, "energy", 0.9), "sweep"),
        (lambda found: read.lead_of_alpha(found, 0.5), "alpha"),
    ],
)
def test_a_study_that_the_experiment_lacks_is_named(reading: Callable[[Evidence], Measured], study: str) -> None:
    with pytest.raises(NotMeasured, match=f"^the experiment has no study {study}$"):
        reading(EMPTY)
