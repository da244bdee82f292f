"""The tidy table and its summary, on a comparison made by hand."""

import json
import math

import pandas as pd
import pytest

from pipeline.report.comparison.summary import from_json, summarize, tidy_table
from pipeline.report.statistics import Difference, Interval, plain
from snnprune.core.errors import UserError

Levels = dict[tuple[str, int], pd.DataFrame]
Dense = dict[int, dict[str, float]]
T_97_5_ONE_DEGREE = math.tan(math.pi * 0.475)  # the t distribution with one degree of freedom is Cauchy's


def test_a_row_per_method_seed_and_level_has_every_value_and_the_dense_nets_are_first(table: pd.DataFrame) -> None:
    assert list(zip(table["method"], table["seed"], table["level"], strict=True)) == [
        ("dense", 0, 0.0),
        ("dense", 1, 0.0),
        *((method, seed, level) for method in ("magnitude", "osqp") for seed in (0, 1) for level in (0.5, 0.9)),
    ]
    assert set(table["experiment"]) == {"made"}
    assert not table.isna().any().any()
    rows = table.set_index(["method", "seed", "level"])
    pruned = rows.loc[("osqp", 1, 0.9)]
    assert (pruned["keep"], pruned["nnz"], pruned["synapses"], pruned["sparsity"]) == (10, 5, 100, 0.95)
    assert (pruned["accuracy"], pruned["accuracy_before"], pruned["spike_rate"]) == (0.5, 0.3, 7.0)
    assert pruned["energy_pj_cheap"] == pytest.approx(10)
    net = rows.loc[("dense", 1, 0.0)]
    assert (net["keep"], net["nnz"], net["synapses"], net["sparsity"]) == (100, 100, 100, 0.0)
    assert (net["accuracy"], net["accuracy_before"], net["one_shot_accuracy"]) == (0.96, 0.96, 0.96)
    assert net["one_shot_compensated"] == 0.96
    assert (net["validation_accuracy"], net["validation_accuracy_before"]) == (0.97, 0.97)
    assert (net["protocol"], net["timesteps"]) == ("fair", 6)


def test_summary_by_hand(table: pd.DataFrame) -> None:
    summary = summarize(table)
    about = (summary.experiment, summary.protocol, summary.seeds, summary.synapses)
    assert about == ("made", "fair", [0, 1], 100)
    assert summary.dense.mean == pytest.approx(0.97)
    assert summary.levels == [0.5, 0.9]
    keys = list(zip(summary.results["method"], summary.results["level"], strict=True))
    assert keys == [("magnitude", 0.5), ("magnitude", 0.9), ("osqp", 0.5), ("osqp", 0.9)]
    last = summary.results.iloc[-1]
    assert (last.keep, last.nnz) == (10, [5, 5])
    assert last.sparsity.mean == pytest.approx(0.95)
    assert last.accuracy_before.mean == pytest.approx(0.4)
    assert last.one_shot_sparsity.mean == pytest.approx(1 - 0.0375)
    assert last.one_shot_accuracy.mean == pytest.approx(0.3)
    assert last.one_shot_compensated.mean == pytest.approx(0.5)
    # Two values 0.7 and 0.5: mean 0.6, sd = 0.2 / sqrt(2), half width = t * sd / sqrt(2) = t * 0.1.
    assert (last.accuracy.n, last.accuracy.mean) == (2, pytest.approx(0.6))
    assert last.accuracy.high == pytest.approx(0.6 + 0.1 * T_97_5_ONE_DEGREE)


def test_nets_that_were_not_compensated_have_nothing_there_in_json_too(on_target: pd.DataFrame) -> None:
    summary = summarize(on_target.assign(one_shot_compensated=None))
    assert summary.results["one_shot_compensated"].tolist() == [None] * 4
    again = from_json(json.dumps(plain(summary)))
    assert again.results["one_shot_compensated"].tolist() == [None] * 4


def test_margins_by_hand(on_target: pd.DataFrame) -> None:
    results = summarize(on_target, "magnitude").results
    # Against magnitude, seed by seed: 0.7 - 0.9 = -0.2 and 0.5 - 0.8 = -0.3: half width = t * 0.05. With one degree of
    # freedom and t = -0.25 / 0.05 = -5 the two-sided p is 1 - 2 / pi * atan(5).
    margin = results["margin"].iloc[-1]
    assert margin.mean == pytest.approx(-0.25)
    assert margin.low == pytest.approx(-0.25 - 0.05 * T_97_5_ONE_DEGREE)
    assert margin.p == pytest.approx(1 - 2 / math.pi * math.atan(5))
    assert results.loc[results["margin"].isna(), "method"].tolist() == ["magnitude", "magnitude"]
    assert summarize(on_target).results["margin"].tolist() == [None] * 4  # no baseline
    other = summarize(on_target, "osqp").results
    assert other.loc[other["margin"].notna(), "method"].tolist() == ["magnitude", "magnitude"]
    assert other["margin"].iloc[1].mean == pytest.approx(0.25)


def test_what_emptied_a_layer_or_missed_its_level_is_never_the_best_nor_in_a_margin(on_target: pd.DataFrame) -> None:
    """On test osqp is worse; by validation, which counts, it is the best."""
    osqp = on_target["method"] == "osqp"
    better = on_target.assign(validation_accuracy=osqp.where(osqp, 0.5).astype(float))
    found = summarize(better, "magnitude")
    assert [found.best(level).method for level in found.levels] == ["osqp", "osqp"]
    last = better.index[-1]  # osqp, seed 1, level 0.9: one seed is enough
    for column, value in (("empty_layers", 1), ("nnz", 9)):
        changed = better.copy()
        changed.loc[last, column] = value
        for baseline, other in (("magnitude", "osqp"), ("osqp", "magnitude")):
            found = summarize(changed, baseline)
            assert [found.best(level).method for level in found.levels] == ["osqp", "magnitude"]
            first, second = found.by_method[other]["margin"]
            assert first is not None and second is None


def test_equal_validation_accuracies_leave_the_first_method_the_best(on_target: pd.DataFrame) -> None:
    assert summarize(on_target.assign(validation_accuracy=0.3)).best(0.9).method == "magnitude"


def test_a_method_that_missed_the_target_has_no_margin(table: pd.DataFrame) -> None:
    """osqp keeps 5 synapses of 10 at level 0.9; at 0.5 it keeps 50, as asked."""
    first, last = summarize(table, "magnitude").by_method["osqp"].itertuples()
    assert last.margin is None
    assert last.accuracy.mean == pytest.approx(0.6)
    # 0.96 - 0.96 and 0.95 - 0.94: t = 0.005 / 0.005.
    assert (first.margin.mean, first.margin.p) == (pytest.approx(0.005), pytest.approx(0.5))


@pytest.mark.parametrize("kept", [9, 11])
def test_one_seed_that_missed_it_is_enough(on_target: pd.DataFrame, kept: int) -> None:
    on_target.loc[on_target.index[-1], "nnz"] = kept  # of osqp, seed 1, level 0.9
    first, last = summarize(on_target, "magnitude").by_method["osqp"].itertuples()
    assert (first.nnz, last.nnz) == ([50, 50], [10, kept])
    assert first.margin is not None
    assert last.margin is None


def test_seeds_are_paired_whatever_the_order_of_the_rows(on_target: pd.DataFrame) -> None:
    shuffled = summarize(on_target.iloc[[0, 1, *range(9, 1, -1)]], "magnitude").by_method
    assert plain(shuffled) == plain(summarize(on_target, "magnitude").by_method)


def test_one_seed_has_means_without_intervals(on_target: pd.DataFrame) -> None:
    last = summarize(on_target[on_target["seed"] == 0], "magnitude").results.iloc[-1]
    assert last.accuracy == Interval(1, 0.7)
    assert (last.margin.mean, last.margin.p) == (pytest.approx(-0.2), None)


def test_the_summary_comes_back_from_its_json(table: pd.DataFrame) -> None:
    for rows in (table, table[table["seed"] == 0]):
        content = json.dumps(plain(summarize(rows, "magnitude")))
        found = from_json(content)
        assert json.dumps(plain(found)) == content
        assert isinstance(found.by_method["osqp"]["margin"].iloc[0], Difference)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"level": [0.5, 0.8]}, r"osqp seed 1: levels \[0.5, 0.8\] of 100 synapses"),
        ({"level": [0.9, 0.5]}, r"osqp seed 1: levels \[0.9, 0.5\]"),
        ({"synapses": 200}, "osqp seed 1: levels .* of 200 synapses"),
        (None, r"osqp seed 1: levels \[0.5\]"),
    ],
)
def test_methods_that_do_not_fit_together_are_refused(
    dense: Dense, levels: Levels, evaluated: pd.DataFrame, changes: dict | None, message: str
) -> None:
    frame = levels["osqp", 1]
    levels["osqp", 1] = frame.iloc[:1] if changes is None else frame.assign(**changes)
    with pytest.raises(UserError, match=f"made: methods differ in levels or network.*{message}"):
        tidy_table("made", dense, levels, evaluated)


def test_a_net_that_was_not_evaluated_is_named(dense: Dense, levels: Levels, evaluated: pd.DataFrame) -> None:
    with pytest.raises(
        UserError, match=r"evaluate@made has no row of osqp@0.90/seed1; run it again: dvc repro evaluate"
    ):
        tidy_table("made", dense, levels, evaluated.iloc[:-1])
