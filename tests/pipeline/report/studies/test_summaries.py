"""The summaries of the studies that have few rules of their own, by hand."""

import itertools
from dataclasses import replace

import pandas as pd
import pytest

from pipeline.report.statistics import Interval
from pipeline.report.studies import load_report
from pipeline.report.studies.zombies import LINES
from snnprune.energy.profiles import Memory, Profile
from tests.pipeline.report.tables import (
    LEVELS,
    TABLES,
    ann_table,
    context,
    evaluated_table,
    layers_table,
    relaxation_table,
    row_of,
    summary_of,
)


@pytest.mark.parametrize("study", TABLES)
def test_metrics_are_flat_numbers_and_a_summary_comes_back_from_json(study: str) -> None:
    summary = summary_of(study)
    content = summary.to_json()
    assert summary.findings and len(content["results"]) == len(summary.results)
    assert content["metrics"] and all(isinstance(value, float) for value in content["metrics"].values())


def test_layers() -> None:
    table = layers_table()
    table["loss_points"] = table["level"] * 10 + table["seed"]  # per level 10 * level + 1, sd 1
    table.loc[table["layer"] == "layers.3.weight", "loss_points"] += 2
    table.loc[(table["layer"] == "layers.1.weight") & (table["level"] == 0.98), "loss_points"] += 5
    summary = summary_of("layers", table)
    found = row_of(summary.results, layer="layers.5.weight", level=0.5)
    assert (found.loss_points.mean, found.loss_points.sd, found.synapses) == (pytest.approx(6), pytest.approx(1), 1280)
    assert [line.partition(" is ")[2][:7] for line in summary.findings] == [*["layer 3"] * 4, "layer 1"]
    assert summary.metrics["loss_points/layer 3/0.90"] == pytest.approx(12)


def test_relaxation() -> None:
    summary = summary_of("relaxation")
    keys = list(zip(summary.results["form"], summary.results["level"], strict=True))
    assert keys == [(form, level) for level in LEVELS for form in ("budget", "energy")]
    budget, energy = (row_of(summary.results, form=form, level=0.5) for form in ("budget", "energy"))
    # 0.09 * 0.5 * 0.5 and, for the seeds, 41.2, 41.6, 42.0 points
    assert budget.overshoot_points.mean == pytest.approx(2.25)
    assert (energy.overshoot_points.mean, energy.overshoot_points.sd) == (pytest.approx(41.6), pytest.approx(0.4))
    assert energy.loss_points.mean == pytest.approx(50.0)
    assert (energy.matched_points.mean, energy.matched_points.sd) == (pytest.approx(20.0), pytest.approx(0.2))
    assert energy.protected.mean == 21_000
    assert row_of(summary.results, form="budget", level=0.98).matched_points.mean == pytest.approx(0.0)
    infeasible = row_of(summary.results, form="energy", level=0.95)
    assert (infeasible.feasible_seeds, infeasible.seeds, infeasible.overshoot_points) == (0, 3, None)
    assert summary.metrics["overshoot_points/energy/0.50"] == pytest.approx(41.6)
    assert not [key for key in summary.metrics if key.endswith("/energy/0.95")]
    assert len(summary.findings) == 7
    # The seeds' 1e-4, 2e-4 and 3e-4; of `energy` three levels are solved, and infeasible ones are no programs.
    assert (energy.second_distance.mean, energy.second_solved) == (pytest.approx(2e-4), 3)
    assert (infeasible.second_distance, infeasible.second_solved) == (None, 0)
    assert summary.findings[-1] == (
        "energy: a second solver (CLARABEL) solved 9 of 9 programs; OSQP's entries differ from its by 3.0e-04 at most, "
        "the objective by 3.0e-06 of its value, and 6 entries round to another value"
    )


def test_a_second_solver_that_failed_is_counted() -> None:
    table = relaxation_table()
    failed = (table["form"] == "budget") & (table["seed"] > 0)
    table.loc[failed, "second_status"] = "user_limit"
    table.loc[failed, ["second_distance", "second_objective", "second_differing"]] = None
    findings = summary_of("relaxation", table).findings
    assert (
        "budget: a second solver (CLARABEL) solved 5 of 15 programs; OSQP's entries differ from its by 1.0e-04"
        in (findings[-2])
    )
    table.loc[table["form"] == "budget", "second_status"] = "user_limit"
    assert summary_of("relaxation", table).findings[-2] == "budget: a second solver (CLARABEL) solved 0 of 15 programs"


def test_what_is_left_of_the_lead_of_osqp() -> None:
    nets = evaluated_table()
    exact = nets[nets["method"] == "magnitude"].assign(method="osqp_exact")
    ahead = exact.assign(method="osqp", accuracy=exact["accuracy"] + 0.001 * (1 + exact["seed"]))
    about = context(evaluated=pd.concat([nets, exact, ahead]))
    summary = load_report("relaxation").summarize(relaxation_table(), about)
    # 0.1, 0.2 and 0.3 points: 4.3027 * 0.1 / sqrt(3) is half the interval
    assert summary.findings[-1].startswith("After fine-tuning osqp is ahead of osqp_exact, ")
    assert "90 %: +0.20 ± 0.25" in summary.findings[-1]
    lead = row_of(summary.more["control"], level=0.9).lead
    assert (lead.mean, lead.n) == (pytest.approx(0.002), 3)
    assert not len(summary_of("relaxation").more["control"])


def test_ann() -> None:
    summary = summary_of("ann")
    one = row_of(summary.results, method="cqp", level=0.5, precision="float32")
    few = row_of(summary.results, method="cqp", level=0.5, precision="quantised")
    assert (one.difference.mean, few.difference.mean) == (pytest.approx(0.001), pytest.approx(-0.002))
    assert one.rate.mean == pytest.approx(0.25 * 6)
    # cheap: 50, 51 and 52 MACs at 2 and 8 neurons at 0.5; the SNN 20 MACs, 30 ACs at 1 and 48 updates.
    assert one.energy_pj_cheap.mean == pytest.approx(2 * 51 + 4)
    assert one.snn_energy_pj_cheap.mean == pytest.approx(40 + 30 + 24)
    # 1.5 spikes a neuron cost 30; 106 - 64 = 42 would be as dear as the ANN.
    assert one.break_even_cheap.mean == pytest.approx(1.5 * 42 / 30)
    dense = row_of(summary.results, method="dense", precision="float32")
    assert dense.break_even_flat.mean == pytest.approx(1.5 * (101 - 40) / 60)
    assert summary.metrics["break_even_cheap/cqp_0.50/float32"] == pytest.approx(2.1)
    assert summary.findings[0] == (
        "Nets whose ANN has a higher mean test accuracy than the SNN of the same sparsity: float32 5 of 5, quantised 0 "
        "of 5."
    )
    # At 0.9 by `cheap` 22 + 4 against 8 + 6 + 24: no rate is low enough. By `flat` 11 against 4 + 6.
    assert summary.findings[1] == (
        "cheap: the SNN costs less than the float32 ANN in 3 of 5 nets and the quantised ANN in 3 of 5 nets; cqp@0.90 "
        "against the quantised, 3 bits ANN: it fires 1.50 spikes per neuron and sample, and no rate would break even: "
        "its input and neuron updates alone cost more."
    )
    assert summary.findings[2].endswith("below the break-even of 1.75: the SNN is cheaper.")
    rates = [row[-3] for row in summary.page_tables[1].rows if row[0] == "cqp@0.90"]
    assert rates == ["none", "none"]


def test_memory_and_indices_are_part_of_what_both_cost() -> None:
    memory = Memory(weight_pj_per_bit=1.0, value_bits=2, state_pj_per_bit=0.0, state_bits=1)
    profile = Profile(mac_pj=1.0, ac_pj=1.0, neuron_update_pj=0.0, source="made up", memory=memory)
    nets = evaluated_table().assign(index_bits_once=lambda rows: rows["effective_macs_once"] + rows["effective_acs"])
    about = replace(context(evaluated=nets), profiles={"stored": profile})
    table = ann_table().assign(index_bits=lambda rows: rows["macs"])
    summary = load_report("ann").summarize(table, about)
    one = row_of(summary.results, method="cqp", level=0.5, precision="float32")
    # 1 for the operation, 2 for the weight, 1 for its index: 51 MACs; the SNN 20 MACs and 30 ACs.
    assert one.energy_pj_stored.mean == pytest.approx(4 * 51)
    assert one.snn_energy_pj_stored.mean == pytest.approx(4 * 50)
    assert one.break_even_stored.mean == pytest.approx(1.5 * (4 * 51 - 4 * 20) / (4 * 30))


def test_a_silent_spiking_net_has_no_break_even() -> None:
    silent = evaluated_table().assign(effective_acs=0.0, spike_rate=0.0)
    summary = load_report("ann").summarize(ann_table(), context(evaluated=silent))
    assert row_of(summary.results, method="cqp", level=0.9, precision="float32").break_even_cheap is None
    assert summary.findings[1].endswith("it does not fire.")


def test_ann_is_about_a_method_that_it_has() -> None:
    assert summary_of("ann", best="magnitude").more["shown"] == "magnitude"
    assert summary_of("ann", best="lamp").more["shown"] == "cqp"


def test_only_feasible_seeds_count() -> None:
    table = relaxation_table()
    table.loc[(table["seed"] > 0) & (table["form"] == "energy"), ["feasible", "accuracy_matched"]] = [False, 0.123]
    found = row_of(summary_of("relaxation", table).results, form="energy", level=0.5)
    assert (found.feasible_seeds, found.seeds) == (1, 3)
    assert (found.matched_points.n, found.matched_points.mean) == (1, pytest.approx(19.8))
    assert found.overshoot_points == Interval(1, pytest.approx(41.2))


def test_an_exact_mask_that_cannot_be_gives_no_loss() -> None:
    """Between k and k / 0.85 protected synapses the relaxed program is feasible, the exact one is not."""
    table = relaxation_table()
    table.loc[table["form"] == "energy", "accuracy_exact"] = None
    summary = summary_of("relaxation", table)
    found = row_of(summary.results, form="energy", level=0.5)
    assert found.accuracy_rounded and found.accuracy_matched
    assert not (found.loss_points or found.matched_points or found.accuracy_exact)
    assert "loss_points/energy/0.50" not in summary.metrics


def test_zombies() -> None:
    summary = summary_of("zombies")
    assert summary.results["setting"].tolist() == list(LINES)
    none = row_of(summary.results, setting="none")
    # After step 1: 19000, 19001 and 19002; after step 200 all 190000 and 0, 1 or 2.
    assert (none.zombies_first.mean, none.zombies_last.mean, none.zombies_most) == (19_001, 190_001, 190_002)
    assert none.sparsity.mean == pytest.approx(0.9 - 190_001 / 235_146)
    assert row_of(summary.results, setting="+ weights").zombies_most == 0
    assert [line.partition(":")[0] for line in summary.findings] == [
        "With nothing masked",
        "With gradients masked",
        "With gradients and moments masked",
        "With gradients, moments and weights masked",
    ]
    curve = row_of(summary.results, setting="gradients").curve
    assert (curve["step"], curve["zombies"][:2]) == (list(range(201)), [0.0, 9001.0])
    measured = pd.Series(curve["validation_accuracy"]).dropna()
    assert measured.index.tolist() == list(range(0, 201, 20))
    assert measured[0] == pytest.approx(0.901)
    assert set(summary.metrics) == {
        f"{key}/{setting}"
        for key in ("zombies", "zombies_most", "sparsity")
        for setting in ("none", "gradients", "moments", "weights")
    }


def test_temporal() -> None:
    summary = summary_of("temporal")
    found = row_of(summary.results, method="cqp", level=0.9)
    assert found.steps.mean == pytest.approx((4 + 4 + 5) / 3)
    assert (found.difference.mean, found.difference.p) == (pytest.approx(-0.01), None)  # the same for every seed
    assert found.truncated_accuracy.mean == pytest.approx(0.98 - 0.09 - 0.001 - 0.01)
    assert found.authors_steps.mean == 3
    assert found.authors_accuracy.mean == pytest.approx(0.98 - 0.09 - 0.125 - 0.001)
    assert found.kl == pytest.approx([*(1.9 * 2.0**-step for step in range(1, 6)), 0.0])
    assert summary.metrics["steps/dense"] == pytest.approx(13 / 3)
    assert [line.partition(":")[0] for line in summary.findings] == ["dense", "cqp@0.50", "cqp@0.90"]
    assert summary.findings[0].split("; ")[0] == "dense: enough: 4 to 5 of 6 steps"
    shuffled = TABLES["temporal"]().sample(frac=1, random_state=0)
    assert summary_of("temporal", shuffled).metrics == pytest.approx(summary.metrics)


def test_early_exit() -> None:
    summary = summary_of("early_exit")
    found = row_of(summary.results, method="magnitude", level=0.5)
    assert (found.threshold.mean, found.steps.mean) == (0.9, pytest.approx(3.3))
    assert found.difference.mean == pytest.approx(-0.001)
    assert found.curve["steps"].tolist() == pytest.approx([1.1, 2.1, 3.1, 4.1])
    assert found.curve["accuracy"][0] == pytest.approx(0.97 - 0.05 - 0.08 - 0.001)
    assert summary.metrics["steps/cqp_0.90"] == pytest.approx(3.3)
    assert [line.partition(":")[0] for line in summary.findings] == ["dense", "cqp@0.50", "cqp@0.90"]


@pytest.mark.parametrize("study", ["temporal", "early_exit", "energy"])
@pytest.mark.parametrize(("best", "nets"), [("magnitude", ["dense", "magnitude"]), (None, ["dense"])])
def test_sentences_and_figures_are_about_the_best_method(study: str, best: str | None, nets: list[str]) -> None:
    """None is where no method is a rival, since each of them empties a layer, say."""
    summary = summary_of(study, best=best)
    if study == "energy":
        assert list(summary.results["method"].unique()) == list(summary.more["layers"]["method"].unique()) == nets
    else:
        assert list(dict.fromkeys(line.partition(":")[0].partition("@")[0] for line in summary.findings)) == nets
    drawn = "".join(drawing.svg(summary) for drawing in load_report(study).drawings)
    assert ("magnitude@0.90" in drawn, "cqp@0.90" in drawn) == (best is not None, False)


def alphas(accuracies: dict[float, list[float]], levels: tuple[float, ...] = (0.9,)) -> pd.DataFrame:
    """Of (alpha, accuracies of level after level, seed after seed)."""
    return pd.DataFrame(
        [
            {"alpha": alpha, "level": levels[index % len(levels)], "validation_accuracy": value}
            for alpha, values in accuracies.items()
            for index, value in enumerate(values)
        ]
    )


def test_the_alpha_of_the_highest_mean_over_levels_and_seeds_is_chosen() -> None:
    # 0.25 is best at 0.9 and for one seed, 1 is best in the mean: 0.80 against 0.775.
    table = alphas({1.0: [0.85, 0.75, 0.85, 0.75], 0.25: [0.95, 0.5, 0.95, 0.7]}, (0.9, 0.95))
    summary = summary_of("alpha", table)
    assert summary.more["chosen"] == summary.metrics["chosen_alpha"] == 1.0
    assert summary.metrics["validation_accuracy/0.25"] == pytest.approx(0.775)
    found = row_of(summary.results, alpha=0.25, level=0.95)
    assert (found.validation_accuracy.mean, found.validation_accuracy.n) == (pytest.approx(0.6), 2)


def test_among_equals_the_smaller_alpha() -> None:
    assert summary_of("alpha", alphas({2.0: [0.9], 0.5: [0.9], 1.0: [0.8]})).more["chosen"] == 0.5
    # The same accuracies in another order are a tie, though float sums may differ.
    for first, second in itertools.permutations(itertools.permutations([0.7, 0.1, 0.2 + 1 / 30]), 2):
        assert summary_of("alpha", alphas({0.0: list(first), 1.0: list(second)})).more["chosen"] == 0.0
