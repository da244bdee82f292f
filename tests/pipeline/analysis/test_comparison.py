"""The tidy table and its summary, on a comparison made by hand."""

import math

import pandas as pd
import pytest

from pipeline.report.comparison.summary import headlines, summarize, tidy_table
from snnprune.core.errors import UserError

Levels = dict[tuple[str, int], pd.DataFrame]
Dense = dict[int, dict[str, float]]
T_97_5_ONE_DEGREE = math.tan(math.pi * 0.475)  # the t distribution with one degree of freedom is Cauchy's


def on_target(levels: Levels) -> Levels:
    """The same accuracies, of masks that keep as many synapses as asked."""
    return {key: frame.assign(nnz=frame["keep"]) for key, frame in levels.items()}


def test_one_row_per_method_seed_and_level_and_the_dense_nets_first(dense: Dense, levels: Levels) -> None:
    table = tidy_table("made", dense, levels)
    assert list(zip(table["method"], table["seed"], table["level"], strict=True)) == [
        ("dense", 0, 0.0),
        ("dense", 1, 0.0),
        ("magnitude", 0, 0.5),
        ("magnitude", 0, 0.9),
        ("magnitude", 1, 0.5),
        ("magnitude", 1, 0.9),
        ("osqp", 0, 0.5),
        ("osqp", 0, 0.9),
        ("osqp", 1, 0.5),
        ("osqp", 1, 0.9),
    ]
    assert set(table["experiment"]) == {"made"}
    assert not table.isna().any().any()
    assert list(table.columns[:7]) == ["experiment", "protocol", "method", "seed", "level", "sparsity", "keep"]


def test_values_stand_in_their_rows(dense: Dense, levels: Levels) -> None:
    rows = tidy_table("made", dense, levels).set_index(["method", "seed", "level"])
    pruned = rows.loc[("osqp", 1, 0.9)]
    assert (pruned["keep"], pruned["nnz"], pruned["synapses"], pruned["sparsity"]) == (10, 5, 100, 0.95)
    assert (pruned["accuracy"], pruned["accuracy_before"]) == (0.5, 0.3)
    net = rows.loc[("dense", 1, 0.0)]
    assert (net["keep"], net["nnz"], net["synapses"], net["sparsity"]) == (100, 100, 100, 0.0)
    assert (net["accuracy"], net["accuracy_before"]) == (0.96, 0.96)
    assert (net["validation_accuracy"], net["validation_accuracy_before"]) == (0.97, 0.97)
    assert (net["protocol"], net["timesteps"]) == ("fair", 10)


def test_summary_by_hand(dense: Dense, levels: Levels) -> None:
    summary = summarize(tidy_table("made", dense, levels))
    assert (summary["experiment"], summary["protocol"], summary["seeds"], summary["synapses"]) == (
        "made",
        "fair",
        [0, 1],
        100,
    )
    assert summary["dense"]["mean"] == pytest.approx(0.97)
    assert [(result["method"], result["level"]) for result in summary["results"]] == [
        ("magnitude", 0.5),
        ("magnitude", 0.9),
        ("osqp", 0.5),
        ("osqp", 0.9),
    ]
    last = summary["results"][-1]
    assert (last["keep"], last["nnz"]) == (10, [5, 5])
    assert last["sparsity"]["mean"] == pytest.approx(0.95)
    assert last["accuracy_before"]["mean"] == pytest.approx(0.4)
    assert last["one_shot_sparsity"]["mean"] == pytest.approx(1 - 0.0375)
    assert last["one_shot_accuracy"]["mean"] == pytest.approx(0.3)
    # Two values 0.7 and 0.5: mean 0.6, sd = 0.2 / sqrt(2), half width = t * sd / sqrt(2) = t * 0.1.
    assert (last["accuracy"]["n"], last["accuracy"]["mean"]) == (2, pytest.approx(0.6))
    assert last["accuracy"]["high"] == pytest.approx(0.6 + 0.1 * T_97_5_ONE_DEGREE)


def test_margins_by_hand(dense: Dense, levels: Levels) -> None:
    last = summarize(tidy_table("made", dense, on_target(levels)))["results"][-1]
    # Against magnitude, seed by seed: 0.7 - 0.9 = -0.2 and 0.5 - 0.8 = -0.3: half width = t * 0.05. With one degree of
    # freedom and t = -0.25 / 0.05 = -5 the two-sided p is 1 - 2 / pi * atan(5).
    assert last["margin"]["mean"] == pytest.approx(-0.25)
    assert last["margin"]["low"] == pytest.approx(-0.25 - 0.05 * T_97_5_ONE_DEGREE)
    assert last["margin"]["p"] == pytest.approx(1 - 2 / math.pi * math.atan(5))


def test_a_method_that_missed_the_target_has_no_margin(dense: Dense, levels: Levels) -> None:
    """osqp keeps 5 synapses of 10 at level 0.9; at 0.5 it keeps 50, as asked."""
    by = {(r["method"], r["level"]): r for r in summarize(tidy_table("made", dense, levels))["results"]}
    assert by["osqp", 0.9]["margin"] is None
    assert by["osqp", 0.9]["accuracy"]["mean"] == pytest.approx(0.6)
    # 0.96 - 0.96 and 0.95 - 0.94: t = 0.005 / 0.005.
    assert by["osqp", 0.5]["margin"]["mean"] == pytest.approx(0.005)
    assert by["osqp", 0.5]["margin"]["p"] == pytest.approx(0.5)


@pytest.mark.parametrize("kept", [9, 11])
def test_one_seed_that_missed_it_is_enough(dense: Dense, levels: Levels, kept: int) -> None:
    exact = on_target(levels)
    exact["osqp", 1] = exact["osqp", 1].assign(nnz=[50, kept])
    first, last = summarize(tidy_table("made", dense, exact))["results"][2:]
    assert (first["method"], first["nnz"], last["nnz"]) == ("osqp", [50, 50], [10, kept])
    assert first["margin"] is not None
    assert last["margin"] is None


def test_seeds_are_paired_whatever_the_order_of_the_rows(dense: Dense, levels: Levels) -> None:
    order = [("osqp", 1), ("magnitude", 0), ("osqp", 0), ("magnitude", 1)]  # magnitude's seeds rise, osqp's fall
    levels = on_target(levels)
    turned = {key: levels[key] for key in order}
    first, second = (summarize(tidy_table("made", dense, given)) for given in (levels, turned))
    by_key = {(result["method"], result["level"]): result for result in second["results"]}
    assert [by_key[result["method"], result["level"]] for result in first["results"]] == first["results"]


def test_magnitude_has_no_margin_and_without_it_nobody_has(dense: Dense, levels: Levels) -> None:
    levels = on_target(levels)
    results = summarize(tidy_table("made", dense, levels))["results"]
    assert [result["method"] for result in results if result["margin"] is None] == ["magnitude", "magnitude"]
    alone = {key: frame for key, frame in levels.items() if key[0] == "osqp"}
    assert [result["margin"] for result in summarize(tidy_table("made", dense, alone))["results"]] == [None, None]


def test_one_seed_has_means_without_intervals(dense: Dense, levels: Levels) -> None:
    one = {key: frame for key, frame in on_target(levels).items() if key[1] == 0}
    last = summarize(tidy_table("made", {0: dense[0]}, one))["results"][-1]
    assert last["accuracy"] == {"n": 1, "mean": 0.7, "sd": None, "low": None, "high": None}
    assert last["margin"]["mean"] == pytest.approx(-0.2)
    assert last["margin"]["p"] is None


def test_headlines(dense: Dense, levels: Levels) -> None:
    found = headlines(summarize(tidy_table("made", dense, levels)))
    assert list(found) == ["dense", "magnitude", "osqp"]
    assert found["dense"] == {"accuracy": pytest.approx(0.97)}
    assert found["osqp"] == {"accuracy_at_0.5": pytest.approx(0.955), "accuracy_at_0.9": pytest.approx(0.6)}


@pytest.mark.parametrize("other", [[0.5, 0.8], [0.6, 0.95], [0.9, 0.5]])
def test_methods_at_other_levels_are_refused(dense: Dense, levels: Levels, other: list[float]) -> None:
    for seed in (0, 1):
        levels["osqp", seed] = levels["osqp", seed].assign(level=other)
    with pytest.raises(UserError, match="made: methods differ in levels or network") as caught:
        tidy_table("made", dense, levels)
    assert f"osqp seed 0, osqp seed 1: levels {other} of 100 synapses" in str(caught.value)


def test_a_seed_with_fewer_levels_is_refused(dense: Dense, levels: Levels) -> None:
    levels["osqp", 1] = levels["osqp", 1].iloc[:1]
    with pytest.raises(UserError, match=r"osqp seed 1: levels \[0.5\]"):
        tidy_table("made", dense, levels)


def test_methods_on_another_network_are_refused(dense: Dense, levels: Levels) -> None:
    levels["osqp", 0] = levels["osqp", 0].assign(synapses=200)
    with pytest.raises(UserError, match="osqp seed 0: levels .* of 200 synapses"):
        tidy_table("made", dense, levels)
