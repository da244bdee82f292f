"""Early exit: the threshold is chosen on validation, test is run with it."""

import pandas as pd
import pytest
import torch

from pipeline.studies.early_exit import Params, rows_of_net
from pipeline.study import Net
from snnprune.core.dataset import Dataset, Split
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams
from snnprune.core.training.evaluate import BATCH_SIZE, accuracy, spikes_of
from snnprune.energy.measure import measure
from snnprune.energy.profiles import load_profiles
from snnprune.temporal.early_exit import exits_of
from tests.pipeline.studies.made import Dense


def rows(network: SpikingNetwork, dataset: Dataset, delta: float, thresholds: list[float]) -> pd.DataFrame:
    params = Params(thresholds=thresholds, delta=delta)
    return pd.DataFrame(rows_of_net(Net("dense", 0.0, network), dataset, params, load_profiles()))


@pytest.mark.parametrize(("delta", "chosen"), [(1.0, 0.0), (0.0, 1.0)])
def test_what_may_be_lost_decides(dense: Dense, dataset: Dataset, delta: float, chosen: float) -> None:
    """At a gap of 0 everything stops at once; one of 1, always added, is never reached, so all T steps are run."""
    table = rows(dense(), dataset, delta, [0.0])
    assert table["validation_steps"].tolist() == [1.0, 5.0]
    assert table["validation_accuracy"][1] == accuracy(dense(), dataset.validation)
    assert table["validation_accuracy"][0] < table["validation_accuracy"][1]
    assert table[table["chosen"]]["threshold"].tolist() == [chosen]
    tested = table[table["chosen"]].iloc[0]
    assert tested["steps"] == (1.0 if chosen == 0.0 else 5.0)
    assert tested["whole_accuracy"] == accuracy(dense(), dataset.test)
    for prefix, split in (("validation_", dataset.validation), ("", dataset.test)):
        same = measure(dense(), split, int(tested["steps"])).total
        for name, value in (same.energies(load_profiles()) | {"acs": same.acs, "macs_once": same.macs_once}).items():
            assert tested[f"{prefix}{name}"] == value


def test_the_run_on_test_is_what_a_whole_run_says(dense: Dense, dataset: Dataset) -> None:
    table = rows(dense(), dataset, 0.1, [0.2, 0.4, 0.6, 0.8])
    chosen = table[table["chosen"]].iloc[0]
    network = dense().eval()
    expected = exits_of(network.spikes(dataset.test.images).detach(), chosen["threshold"])
    assert chosen["steps"] == expected.steps.double().mean().item()
    assert chosen["accuracy"] == (expected.classes == dataset.test.labels).double().mean().item()


@pytest.mark.parametrize("encoding", ["direct", "rate"])
def test_a_run_in_batches_sees_the_input_of_every_evaluation(encoding: str) -> None:
    torch.manual_seed(0)
    spec = {"layers": [16, 12, 3], "timesteps": 5, "encoding": {"name": encoding}, "threshold": 0.3}
    network = build_network(ModelParams.model_validate(spec))
    samples = BATCH_SIZE + 40
    split = Split(torch.rand((samples, 1, 4, 4), generator=torch.Generator().manual_seed(1)), torch.arange(samples) % 3)
    table = rows(network, Dataset("made", 3, "", train=split, validation=split, test=split), 1.0, [0.4])
    tested = table[table["chosen"]].iloc[0]
    exits = exits_of(spikes_of(network, split), tested["threshold"])
    assert tested["steps"] == tested["validation_steps"] == exits.steps.double().mean().item()
    assert tested["accuracy"] == (exits.classes == split.labels).double().mean().item()
