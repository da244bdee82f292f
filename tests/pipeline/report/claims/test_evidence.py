"""Each claim's quantity, read from hand-made results."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from pipeline.report.claims import evidence as read
from pipeline.report.claims.claims import load_claims
from pipeline.report.claims.evidence import Evidence, NotMeasured, Reading
from pipeline.report.statistics import describe, paired_difference
from pipeline.report.studies import Studied, StudySummary
from tests.pipeline.report.tables import TABLES, comparison_of, relaxation_table, row_of, summary_of

EMPTY = Evidence(comparison_of(), "made")


def with_study(study: str, table: pd.DataFrame | list[dict[str, Any]], summary: StudySummary | None = None) -> Evidence:
    return replace(EMPTY, studies={study: Studied(None, pd.DataFrame(table), summary)})


def with_made(study: str, table: pd.DataFrame | None = None) -> Evidence:
    rows = TABLES[study]() if table is None else table
    return with_study(study, rows, summary_of(study, rows))


def net(seed: int, method: str = "dense", level: float = 0.0, truncated: int = 9) -> list[dict[str, Any]]:
    """Rows of the study energy of a net of 100 synapses at T = 10 and at T': a picojoule per synapse, step and seed.
    With the constant input computed once half of what T steps cost goes with the steps."""
    kept = round(100 * (1 - level))
    about = {"seed": seed, "method": method, "level": level, "timesteps": 10, "synapses": 100, "nnz": kept}
    return [
        about
        | {"layer": layer, "split": split, "steps": steps, "truncated": steps == truncated}
        | {f"energy_pj_{read.PROFILE}": kept * steps * (seed + 1.0), "accuracy": 0.97 + steps / 1000}
        | {
            f"energy_once_pj_{read.PROFILE}": kept * (steps + 10) * (seed + 1.0),
            "macs": 20.0 * steps,
            "macs_once": 20.0,
        }
        for steps in (truncated, 10)
        for layer, split in (("all", "test"), ("all", "validation"), ("layers.1.weight", "test"))
    ]


def test_a_cell_of_the_comparison_in_the_unit_of_the_claim() -> None:
    margin = paired_difference([0.97, 0.98, 0.99], [0.96, 0.96, 0.96])
    result = {"method": "cqp", "level": 0.9, "margin": margin, "accuracy": describe([0.97, 0.98, 0.99])}
    found = Evidence(comparison_of(result, result | {"method": "magnitude", "margin": None}), "made")
    points = read.margin(method="cqp", over="magnitude", level=0.9).read(found).interval
    assert (points.mean, points.low) == (pytest.approx(2.0), pytest.approx(100 * margin.low))
    percent = read.cell("compare", "accuracy", 100, method="cqp", level=0.9).read(found).interval
    assert percent.mean == pytest.approx(98.0)
    for method, level in (("cqp", 0.95), ("magnitude", 0.9)):
        with pytest.raises(NotMeasured, match=f"no margin of method {method}, level {100 * level:g} %"):
            read.margin(method=method, over="magnitude", level=level).read(found)
    for baseline, text in (("random", ", but over random"), (None, "")):
        other = replace(found, comparison=replace(found.comparison, baseline=baseline))
        with pytest.raises(NotMeasured, match=f"^no margins over magnitude{text}$"):
            read.margin(method="cqp", over="magnitude", level=0.9).read(other)


def test_a_cell_of_a_study_and_of_another_part_of_it() -> None:
    found = with_made("paper")
    margin = read.cell("paper", "margin_points", part="margins", protocol="paper", level=0.9).read(found)
    theirs = row_of(summary_of("paper").more["margins"], protocol="paper", level=0.9).margin_points
    assert margin.interval.mean == theirs.mean
    accuracy = read.cell("paper", "accuracy", 100, protocol="paper", method="cqp", level=0.9).read(found)
    # 0.98 - 0.25 * 0.9^8, less 0.01 * seed * 0.9 * (1 + 0.25 * seed)
    assert accuracy.interval.mean == pytest.approx(98 - 25 * 0.9**8 - 0.9 * (1.25 + 2 * 1.5) / 3)


def test_the_largest_over_the_levels_that_every_seed_could_solve() -> None:
    table = relaxation_table()
    table.loc[(table["form"] == "budget") & (table["level"] == 0.98) & (table["seed"] == 0), "feasible"] = False
    found = with_made("relaxation", table)
    budget = read.largest_of_form(form="budget", key="loss_points").read(found)
    assert (budget.interval.mean, budget.where) == (pytest.approx(44 * 0.95**15), "at 95 %")  # not at 98 %
    energy = read.largest_of_form(form="energy", key="overshoot_points").read(found)
    assert (energy.interval.mean, energy.where) == (pytest.approx(41.6), "at 50 %")
    with pytest.raises(NotMeasured, match="form budget was feasible for every seed at no level"):
        none = with_made("relaxation", table.assign(feasible=False))
        read.largest_of_form(form="budget", key="loss_points").read(none)


def test_zombies_are_those_that_the_moments_alone_make() -> None:
    rows = [
        {"seed": seed, "setting": setting, "step": step, "zombies": zombies * step}
        for seed in (1, 0)
        for step in (0, 4)
        for setting, zombies in (("none", 99), ("gradients", 10 + seed), ("+ moments", 1), ("+ weights", 0))
    ]
    measured = read.zombies_of_moments().read(with_study("zombies", rows))
    assert (measured.interval.mean, measured.interval.n, measured.where) == (38.0, 2, "after 4 steps")
    with pytest.raises(NotMeasured, match="same seeds"):
        read.zombies_of_moments().read(with_study("zombies", [row for row in rows if row["setting"] != "gradients"]))


def test_staleness_is_judged_at_the_highest_level() -> None:
    gains = {0.99: describe([0.5, 0.7]), 0.9: describe([3, 3.2])}
    results = pd.DataFrame({"level": list(gains), "gain_points": list(gains.values())})
    found = with_study("staleness", [], StudySummary([], {}, results))
    measured = read.gain_of_recomputing().read(found)
    assert (measured.interval.mean, measured.where) == (pytest.approx(0.6), "at 99 %")
    with pytest.raises(NotMeasured, match="no level is high enough"):
        read.gain_of_recomputing().read(with_study("staleness", [], StudySummary([], {}, results.iloc[:0])))


def test_truncation_of_the_dense_nets() -> None:
    found = with_study("energy", [*net(1, truncated=8), *net(0), *net(0, "cqp", 0.7)])
    steps = read.steps_left_out().read(found)
    assert (steps.interval.mean, steps.where) == (1.5, "T' = 8 to 9 of 10 steps")
    assert read.accuracy_change_by_truncation().read(found).interval.mean == pytest.approx(-0.15)
    counted, formula = (
        one(method="dense", level=0.0).read(found) for one in (read.counted_saving, read.formula_saving)
    )
    assert counted.interval.mean == pytest.approx(7.5)
    assert counted.every_step.mean == formula.interval.mean == pytest.approx(15.0)
    assert formula.every_step is None
    noisy = found.studies["energy"].table.assign(macs_once=lambda rows: rows["macs"])
    assert read.counted_saving(method="dense", level=0.0).read(with_study("energy", noisy)).every_step is None


def test_savings_of_a_pruned_net_by_count_and_by_formula() -> None:
    found = with_study("energy", [*net(0), *net(0, "cqp", 0.7), *net(1, "cqp", 0.7), *net(1)])
    table = found.studies["energy"].table
    columns = [f"{convention}_{read.PROFILE}" for convention in ("energy_pj", "energy_once_pj")]
    table.loc[table["method"] == "cqp", columns] *= 2
    formula, counted = (one(method="cqp", level=0.7).read(found) for one in (read.formula_saving, read.counted_saving))
    assert formula.interval.mean == pytest.approx(73.0)  # 1 - 0.3 * 9 / 10
    whole = with_study("energy", table.assign(synapses=234_752, nnz=70_426))  # of 70,425.6: 69.9998 %
    assert read.formula_saving(method="cqp", level=0.7).read(whole).interval.mean == pytest.approx(73.0, abs=1e-10)
    assert counted.every_step.mean == pytest.approx(46.0)  # twice as much is left
    assert counted.interval.mean == pytest.approx(100 - 2 * 30 * 19 / 20)
    with pytest.raises(NotMeasured, match="no net of cqp at 90 %"):
        read.counted_saving(method="cqp", level=0.9).read(found)
    other = with_study("energy", table.drop(columns=f"energy_pj_{read.PROFILE}"))
    with pytest.raises(NotMeasured, match="no hardware profile"):
        read.counted_saving(method="cqp", level=0.7).read(other)


def test_the_fall_ends_at_tau_and_begins_at_the_threshold_before() -> None:
    accuracies = {0.5: 0.95, 0.8: 0.87, 0.9: 0.14}
    rows = [
        {"seed": seed, "rule": rule, "tau": tau, "accuracy": accuracy + seed / 100 if rule == "energy" else 0.9}
        for seed in (0, 1)
        for rule in ("energy", "exact")
        for tau, accuracy in accuracies.items()
    ]
    found = with_study("sweep", rows)
    fall = read.fall_at(rule="energy", tau=0.9).read(found)
    assert (fall.interval.mean, fall.where) == (pytest.approx(73.0), "tau 0.8 to 0.9, 87.50 to 14.50 %")
    assert read.fall_at(rule="exact", tau=0.9).read(found).interval.mean == 0.0
    for tau in (0.5, 0.7):  # the first, and one that is not there
        with pytest.raises(NotMeasured, match=f"tau = {tau:g} is not among"):
            read.fall_at(rule="energy", tau=tau).read(found)


def test_alpha_is_held_against_the_best_other_one() -> None:
    accuracies = {0.0: 0.90, 0.25: 0.97, 0.5: 0.96, 1.0: 0.95}
    rows = [
        {"seed": seed, "alpha": alpha, "level": level, "validation_accuracy": accuracy - level / 10 + seed / 50}
        for seed in (0, 1)
        for alpha, accuracy in accuracies.items()
        for level in (0.9, 0.99)
    ]
    lead = read.lead_of_alpha(alpha=0.5).read(with_study("alpha", rows))
    assert (lead.interval.mean, lead.interval.n, lead.where) == (pytest.approx(-1.0), 2, "the best other is 0.25")
    assert read.lead_of_alpha(alpha=0.25).read(with_study("alpha", rows)).where == "the best other is 0.5"
    with pytest.raises(NotMeasured, match="alpha = 0.75"):
        read.lead_of_alpha(alpha=0.75).read(with_study("alpha", rows))
    with pytest.raises(NotMeasured, match="alpha = 0.5"):
        read.lead_of_alpha(alpha=0.5).read(with_study("alpha", [row for row in rows if row["alpha"] == 0.5]))


READINGS = [
    reading for claim in load_claims() for one in claim.conditions for reading in (one.fair, one.paper) if reading
]


@pytest.mark.parametrize("reading", [one for one in READINGS if one.source != "compare"], ids=lambda one: one.source)
def test_a_study_that_the_experiment_lacks_is_named(reading: Reading) -> None:
    with pytest.raises(NotMeasured, match=f"^no study {reading.source}$"):
        reading.read(EMPTY)
