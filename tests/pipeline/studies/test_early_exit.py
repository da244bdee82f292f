"""Early exit: the threshold is chosen on validation, test is run with it; statistics by hand."""

from collections.abc import Callable

import pandas as pd
import pytest
from pipeline.studies.nets import Net
from snnprune.temporal.params import EarlyExitParams

from pipeline.report.studies.early_exit import summarize
from pipeline.studies.early_exit import early_exit_rows
from snnprune.core.dataset import Dataset
from snnprune.snn.network import SpikingNetwork
from snnprune.temporal.early_exit import exits_of
from snnprune.training.evaluate import accuracy
from tests.pipeline.studies.tables import early_exit_table


def rows(network: SpikingNetwork, dataset: Dataset, delta: float, thresholds: list[float]) -> pd.DataFrame:
    params = EarlyExitParams(thresholds=thresholds, delta=delta)
    return pd.DataFrame(early_exit_rows(Net("dense", 0.0, network), dataset, params, 0))


@pytest.mark.parametrize(("delta", "chosen"), [(1.0, 0.0), (0.0, 1.0)])
def test_what_may_be_lost_decides(
    dense: Callable[[], SpikingNetwork], dataset: Dataset, delta: float, chosen: float
) -> None:
    """At a gap of 0 everything stops at once; one of 1, always added, is never reached, so all T steps are run."""
    table = rows(dense(), dataset, delta, [0.0])
    assert table["validation_steps"].tolist() == [1.0, 5.0]
    assert table["validation_accuracy"][1] == accuracy(dense(), dataset.validation)
    assert table["validation_accuracy"][0] < table["validation_accuracy"][1]
    assert table[table["chosen"]]["threshold"].tolist() == [chosen]
    tested = table[table["chosen"]].iloc[0]
    assert tested["steps"] == (1.0 if chosen == 0.0 else 5.0)
    assert tested["whole_accuracy"] == accuracy(dense(), dataset.test)


def test_the_run_on_test_is_what_a_whole_run_says(dense: Callable[[], SpikingNetwork], dataset: Dataset) -> None:
    table = rows(dense(), dataset, 0.1, [0.2, 0.4, 0.6, 0.8])
    chosen = table[table["chosen"]].iloc[0]
    network = dense().eval()
    expected = exits_of(network.spikes(dataset.test.images).detach(), chosen["threshold"])
    assert chosen["steps"] == expected.steps.double().mean().item()
    assert chosen["accuracy"] == (expected.classes == dataset.test.labels).double().mean().item()


def test_statistics_by_hand() -> None:
    summary = summarize(early_exit_table())
    result = next(r for r in summary["results"] if (r["method"], r["level"]) == ("magnitude", 0.5))
    assert result["threshold"]["mean"] == 0.9
    assert result["steps"]["mean"] == pytest.approx(3.3)
    assert result["difference"]["mean"] == pytest.approx(-0.001)
    assert [point["steps"] for point in result["curve"]] == pytest.approx([1.1, 2.1, 3.1, 4.1])
    assert result["curve"][0]["accuracy"] == pytest.approx(0.97 - 0.05 - 0.08 - 0.001)
    assert summary["metrics"]["steps/cqp_0.9"] == pytest.approx(3.3)
    assert summary["findings"][0] == "dense: 3.30 steps on the mean, test accuracy 94.03 % (-0.10 points)"
