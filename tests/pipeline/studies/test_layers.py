"""Layer sensitivity: only one layer is pruned, and what it costs is counted from the dense accuracy."""

from collections.abc import Callable

import pytest
import torch
from pipeline.studies.params import LayersParams

from pipeline.report.studies.layers import summarize
from pipeline.studies import layers, one_shot
from pipeline.studies.layers import layer_rows
from snnprune.core.dataset import Dataset
from snnprune.core.seeds import derive_seed
from snnprune.pruning.iterate import CRITICALITY, measure
from snnprune.pruning.params import PruneParams
from snnprune.snn.network import SpikingNetwork
from snnprune.training.evaluate import accuracy
from tests.pipeline.studies.made import SIZES
from tests.pipeline.studies.tables import layers_table

Dense = Callable[[], SpikingNetwork]
PARAMS = LayersParams(levels=[0.5, 0.9], alpha=0.5)


def test_every_mask_by_another_way(dense: Dense, dataset: Dataset, prune: PruneParams) -> None:
    rows = layer_rows(dense(), dataset, PARAMS, prune, seed=0)
    assert [(row["layer"], row["synapses"], row["level"]) for row in rows] == [
        (name, size, level) for name, size in SIZES.items() for level in (0.5, 0.9)
    ]
    start = accuracy(dense(), dataset.validation)
    critical = measure(dense(), list(SIZES), dataset.train, prune.criticality, derive_seed(0, 0, CRITICALITY))()
    for row in rows:
        network = dense()
        weight = network.get_parameter(row["layer"])
        keep = round((1 - row["level"]) * weight.numel())
        scores = (weight.detach().abs() * critical[row["layer"]].sqrt()).flatten()
        weight.data.view(-1)[scores.argsort(descending=True, stable=True)[keep:]] = 0
        assert row["nnz"] == keep
        assert row["validation_accuracy"] == accuracy(network, dataset.validation)
        assert row["loss_points"] == pytest.approx(100 * (start - row["validation_accuracy"]))


def test_only_the_one_layer_is_pruned_and_all_is_put_back(
    dense: Dense, dataset: Dataset, prune: PruneParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, zeros = one_shot.accuracy, []

    def watched(network: SpikingNetwork, split: object) -> float:
        zeros.append([int((network.get_parameter(name) == 0).sum()) for name in SIZES])
        return original(network, split)

    monkeypatch.setattr(one_shot, "accuracy", watched)
    network = dense()
    layers.layer_rows(network, dataset, PARAMS, prune, seed=0)
    # 50 and 90 % of 256, 192 and 36
    assert zeros == [[128, 0, 0], [230, 0, 0], [0, 96, 0], [0, 173, 0], [0, 0, 18], [0, 0, 32]]
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), dense().parameters(), strict=True))


def test_a_relaxed_mask_multiplies_the_weights(dense: Dense, dataset: Dataset) -> None:
    network, other = dense(), dense()
    factors = {name: torch.full_like(network.get_parameter(name), 0.5) for name in SIZES}
    for name in SIZES:
        other.get_parameter(name).data *= 0.5
    found = one_shot.accuracy_under(network, factors, dataset.test)
    assert found == accuracy(other, dataset.test)
    assert accuracy(network, dataset.test) == accuracy(dense(), dataset.test)


def test_summary_by_hand() -> None:
    table = layers_table()
    table["loss_points"] = table["level"] * 10 + table["seed"]  # per level 10 * level + 1, sd 1
    table.loc[table["layer"] == "layers.4.weight", "loss_points"] += 2
    table.loc[(table["layer"] == "layers.1.weight") & (table["level"] == 0.98), "loss_points"] += 5
    summary = summarize(table)
    by = {(r["layer"], r["level"]): r for r in summary["results"]}
    assert by["layers.7.weight", 0.5]["loss_points"]["mean"] == pytest.approx(6)
    assert by["layers.7.weight", 0.5]["loss_points"]["sd"] == pytest.approx(1)
    assert by["layers.7.weight", 0.5]["synapses"] == 1280
    assert summary["findings"][0] == ("layers.4.weight is the most sensitive layer at 0.5: alone it costs 8.00 points")
    assert summary["findings"][-1] == (
        "layers.1.weight is the most sensitive layer at 0.98: alone it costs 15.80 points"
    )
    assert len(summary["findings"]) == 5
    assert summary["metrics"]["loss_points/layers.4.weight/0.9"] == pytest.approx(12)
