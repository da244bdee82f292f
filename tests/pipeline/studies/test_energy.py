"""Energy study: counts of real runs."""

import pandas as pd
import pytest

from pipeline.studies.energy import Params, rows_of_net
from pipeline.study import Net
from snnprune.core.dataset import Dataset
from snnprune.core.training.evaluate import accuracy_by_step, spikes_of
from snnprune.energy.measure import SUMS
from snnprune.energy.profiles import load_profiles
from snnprune.pruning.mask import prunable_weights
from tests.pipeline.studies.made import Dense


def test_rows_of_a_real_net(dense: Dense, dataset: Dataset) -> None:
    network = dense()
    table = pd.DataFrame(rows_of_net(Net("dense", 0.0, network), dataset, Params(steps=[2]), 3, load_profiles()))
    assert sorted(table["steps"].unique()) == [2, 3, 5]
    assert table[table["truncated"]]["steps"].unique().tolist() == [3]
    layers = table[(table["layer"] != "all") & (table["steps"] == 5)]
    whole = table[(table["layer"] == "all") & (table["split"] == "test") & (table["steps"] == 5)].iloc[0]
    for column in (*SUMS, "energy_pj_loihi"):
        assert whole[column] == pytest.approx(layers[column].sum())
    assert layers["layer"].tolist() == list(prunable_weights(network))
    # `direct`: every pixel that is not 0 meets 16 synapses at each of 5 steps
    assert whole["macs"] == pytest.approx(5 * 16 * (dataset.test.images != 0).sum().item() / len(dataset.test.labels))
    assert whole["dense_macs"] == 5 * 256 and whole["dense_acs"] == 5 * (192 + 36)
    assert 0 < whole["acs"] < whole["dense_acs"]
    assert whole["energy_pj_horowitz_45nm_fp32"] == pytest.approx(
        4.6 * whole["macs"] + 0.9 * whole["acs"] + 4.6 * 5 * (16 + 12 + 3)
    )
    assert (table["macs"] == table["macs_once"] * table["steps"]).all()  # `direct` is constant
    for steps in (2, 3, 5):
        row = table[(table["layer"] == "all") & (table["split"] == "test") & (table["steps"] == steps)].iloc[0]
        shorter = spikes_of(network, dataset.test, steps)
        assert row["accuracy"] == accuracy_by_step(shorter, dataset.test.labels)[-1].item()
        assert row["acs"] < whole["acs"] or steps == 5
