"""Temporal study: T' by the rule on validation, test accuracy from runs of that many steps, statistics by hand."""

from collections.abc import Callable

import pandas as pd
import pytest
from pipeline.studies.nets import Net
from snnprune.temporal.params import TemporalParams

from pipeline.report.studies.temporal import summarize
from pipeline.studies.temporal import chosen_steps, temporal_rows
from snnprune.core.dataset import Dataset
from snnprune.snn.network import SpikingNetwork
from snnprune.temporal.truncation import accuracy_by_step, spikes_of
from snnprune.training.evaluate import accuracy
from tests.pipeline.studies.tables import temporal_table


@pytest.mark.parametrize(("epsilon", "delta", "steps"), [(100.0, 1.0, 1), (0.0, 0.0, 5)])
def test_the_rule_at_its_extremes(
    dense: Callable[[], SpikingNetwork], dataset: Dataset, epsilon: float, delta: float, steps: int
) -> None:
    params = TemporalParams(epsilon=epsilon, delta=delta)
    table = pd.DataFrame(temporal_rows(Net("dense", 0.0, dense()), dataset, params, 0)).assign(seed=0)
    assert chosen_steps(table) == {(0, "dense", 0.0): steps}
    tested = table.dropna(subset=["accuracy"]).set_index("step")["accuracy"]
    authors = int(table[table["authors"]]["step"].iloc[0])
    assert set(tested.index) == {steps, authors, 5}
    assert tested[5] == accuracy(dense(), dataset.test)
    shorter = accuracy_by_step(spikes_of(dense(), dataset.test, steps), dataset.test.labels)[-1].item()
    assert tested[steps] == shorter
    assert table["kl"].iloc[-1] == 0 and (table["kl"].iloc[:-1] > 0).all()


def test_statistics_by_hand() -> None:
    summary = summarize(temporal_table())
    result = next(r for r in summary["results"] if (r["method"], r["level"]) == ("cqp", 0.9))
    assert result["steps"]["mean"] == pytest.approx((4 + 4 + 5) / 3)
    assert result["difference"]["mean"] == pytest.approx(-0.01)
    assert result["difference"]["p"] is None  # the same for every seed
    assert result["truncated_accuracy"]["mean"] == pytest.approx(0.98 - 0.09 - 0.001 - 0.01)
    assert result["authors_steps"]["mean"] == 3
    assert result["authors_accuracy"]["mean"] == pytest.approx(0.98 - 0.09 - 0.125 - 0.001)
    assert summary["metrics"]["steps/dense"] == pytest.approx(13 / 3)
    assert summary["findings"][0] == (
        "dense: 4.3 of 6 steps are enough; test accuracy 97.90 -> 96.90 % (-1.00 ± 0.00 points); by the author's rule "
        "3.0 steps, 85.40 %"
    )
    assert [line.partition(":")[0] for line in summary["findings"]] == ["dense", "cqp at 0.5", "cqp at 0.9"]


def test_where_nothing_is_redundant_it_says_so() -> None:
    table = temporal_table().assign(chosen=lambda rows: rows["step"] == 6)
    assert summarize(table)["findings"][0].startswith("dense: no step is redundant; test accuracy 97.90 -> 97.90 %")
