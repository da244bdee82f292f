"""Each claim's quantity, read from hand-made results."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from pipeline.report.claims import evidence as read
from pipeline.report.claims.evidence import Evidence, Measured, NotMeasured
from pipeline.report.statistics import describe, paired_difference

EMPTY = Evidence({"results": []})


def with_study(study: str, **summary: Any) -> Evidence:
    return Evidence({"results": []}, {study: summary})


def with_table(study: str, rows: list[dict[str, Any]]) -> Evidence:
    return Evidence({"results": []}, {}, {study: pd.DataFrame(rows)})


def net(seed: int, method: str = "dense", level: float = 0.0, **changes: Any) -> dict[str, Any]:
    """A row of the study energy's levels.csv."""
    row = {"seed": seed, "method": method, "level": level, "sparsity": level, "steps": 10, "accuracy": 0.98}
    row |= {"truncated_steps": 9, "truncated_accuracy": 0.979, f"truncated_reduction_{read.PROFILE}": 0.1 + seed / 100}
    return row | changes


def values(measured: Measured) -> tuple[float, float, int]:
    return pytest.approx(measured.figures["mean"]), measured.figures["low"], measured.figures["n"]


def test_margin_and_accuracy_of_the_comparison_are_in_points_and_percent() -> None:
    margin = paired_difference([0.97, 0.98, 0.99], [0.96, 0.96, 0.96])
    result = {"method": "cqp", "level": 0.9, "margin": margin, "accuracy": describe([0.97, 0.98, 0.99])}
    found = Evidence({"results": [{**result, "method": "magnitude", "margin": None}, result]})
    points = read.fair_margin(found, 0.9).figures
    assert (points["mean"], points["low"]) == (pytest.approx(2.0), pytest.approx(100 * margin["low"]))
    assert read.fair_accuracy(found, 0.9).figures["mean"] == pytest.approx(98.0)
    with pytest.raises(NotMeasured, match="no result of method cqp, level 0.95"):
        read.fair_margin(found, 0.95)
    with pytest.raises(NotMeasured, match="magnitude was not pruned"):
        read.fair_margin(Evidence({"results": [{**result, "margin": None}]}), 0.9)


def test_protocol_paper_is_read_from_its_study() -> None:
    found = with_study(
        "paper",
        margins=[
            {"protocol": "fair", "level": 0.9, "margin_points": describe([1.0, 1.0])},
            {"protocol": "paper", "level": 0.9, "margin_points": describe([-8.0, -9.0])},
        ],
        results=[
            {"protocol": "fair", "method": "cqp", "level": 0.9, "accuracy": describe([0.9, 0.9])},
            {"protocol": "paper", "method": "magnitude", "level": 0.9, "accuracy": describe([0.8, 0.8])},
            {"protocol": "paper", "method": "cqp", "level": 0.9, "accuracy": describe([0.6, 0.7])},
        ],
    )
    assert read.paper_margin(found, 0.9).figures["mean"] == -8.5
    assert read.paper_accuracy(found, 0.9).figures["mean"] == pytest.approx(65.0)
    with pytest.raises(NotMeasured, match="level 0.5"):
        read.paper_margin(found, 0.5)


def relaxed(form: str, level: float, overshoot: list[float], seeds: int = 2) -> dict[str, Any]:
    return {"form": form, "level": level, "seeds": seeds, "overshoot_points": describe(overshoot)}


def test_the_largest_over_the_levels_that_every_seed_could_solve() -> None:
    results = [
        relaxed("budget", 0.9, [1.0, 1.2]),
        relaxed("budget", 0.95, [2.0, 2.2]),
        relaxed("budget", 0.98, [9.0]),  # one of two seeds
        relaxed("energy", 0.9, [20.0, 22.0]),
        {"form": "energy", "level": 0.95, "seeds": 2},  # feasible for none
    ]
    found = with_study("relaxation", results=results)
    budget = read.largest_of_form(found, "budget", "overshoot_points")
    assert (budget.figures["mean"], budget.where) == (pytest.approx(2.1), "at 95 %")
    assert read.largest_of_form(found, "energy", "overshoot_points").figures["mean"] == 21.0
    with pytest.raises(NotMeasured, match="form budget was feasible for every seed at no level"):
        read.largest_of_form(found, "budget", "loss_points")


def test_zombies_are_those_that_the_moments_alone_make() -> None:
    rows = [
        {"seed": seed, "setting": setting, "step": step, "zombies": zombies * step}
        for seed in (1, 0)
        for step in (0, 4)
        for setting, zombies in (("none", 99), ("gradients", 10 + seed), ("+ moments", 1), ("+ weights", 0))
    ]
    measured = read.zombies_of_moments(with_table("zombies", rows))
    assert (measured.figures["mean"], measured.figures["n"], measured.where) == (38.0, 2, "after 4 steps")
    with pytest.raises(NotMeasured, match="same seeds"):
        read.zombies_of_moments(with_table("zombies", [row for row in rows if row["setting"] != "gradients"]))


def test_staleness_is_judged_at_the_highest_level() -> None:
    results = [
        {"level": level, "gain_points": describe([gain, gain + 0.2])} for level, gain in ((0.99, 0.5), (0.9, 3.0))
    ]
    measured = read.gain_of_recomputing(with_study("staleness", results=results))
    assert (measured.figures["mean"], measured.where) == (pytest.approx(0.6), "at 99 %")
    with pytest.raises(NotMeasured, match="no level is high enough"):
        read.gain_of_recomputing(with_study("staleness", results=[]))


def test_truncation_of_the_dense_nets() -> None:
    found = with_table("energy", [net(1, truncated_steps=8), net(0), net(0, "cqp", 0.7)])
    steps = read.steps_left_out(found)
    assert (steps.figures["mean"], steps.where) == (1.5, "T' = 8.5 of 10 steps")
    assert read.accuracy_change_by_truncation(found).figures["mean"] == pytest.approx(-0.1)
    assert read.counted_saving(found, "dense", 0.0).figures["mean"] == pytest.approx(10.5)
    assert read.formula_saving(found, "dense", 0.0).figures["mean"] == pytest.approx(15.0)


def test_savings_of_a_pruned_net_by_count_and_by_formula() -> None:
    found = with_table("energy", [net(0), net(0, "cqp", 0.7), net(1, "cqp", 0.7), net(1)])
    assert read.formula_saving(found, "cqp", 0.7).figures["mean"] == pytest.approx(73.0)  # 1 - 0.3 * 9 / 10
    assert read.counted_saving(found, "cqp", 0.7).figures["mean"] == pytest.approx(10.5)
    with pytest.raises(NotMeasured, match="no net of cqp at 90 %"):
        read.counted_saving(found, "cqp", 0.9)
    other = found.tables["energy"].drop(columns=f"truncated_reduction_{read.PROFILE}")
    with pytest.raises(NotMeasured, match="no hardware profile"):
        read.counted_saving(Evidence({}, {}, {"energy": other}), "cqp", 0.7)


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
    assert fall.figures["mean"] == pytest.approx(73.0)
    assert fall.where == "tau 0.8 to 0.9, 87.5 to 14.5 %"
    assert read.fall_at(found, "exact", 0.9).figures["mean"] == 0.0
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
    assert (lead.figures["mean"], lead.figures["n"], lead.where) == (pytest.approx(-1.0), 2, "the best other is 0.25")
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
