"""Temporal study: T' by the rule on validation, test accuracy from runs of that many steps."""

import pandas as pd
import pytest

from pipeline.studies.temporal import Params, rows_of_net
from pipeline.study import Net
from snnprune.core.dataset import Dataset
from snnprune.core.training.evaluate import accuracy, accuracy_by_step, spikes_of
from tests.pipeline.studies.made import Dense


@pytest.mark.parametrize(("epsilon", "delta", "steps"), [(100.0, 1.0, 1), (0.0, 0.0, 5)])
def test_the_rule_at_its_extremes(dense: Dense, dataset: Dataset, epsilon: float, delta: float, steps: int) -> None:
    params = Params(epsilon=epsilon, delta=delta)
    table = pd.DataFrame(rows_of_net(Net("dense", 0.0, dense()), dataset, params))
    assert table[table["chosen"]]["step"].tolist() == [steps]
    tested = table.dropna(subset=["accuracy"]).set_index("step")["accuracy"]
    authors = int(table[table["authors"]]["step"].iloc[0])
    assert set(tested.index) == {steps, authors, 5}
    assert tested[5] == accuracy(dense(), dataset.test)
    shorter = accuracy_by_step(spikes_of(dense(), dataset.test, steps), dataset.test.labels)[-1].item()
    assert tested[steps] == shorter
    assert table["kl"].iloc[-1] == 0 and (table["kl"].iloc[:-1] > 0).all()
