"""Layer sensitivity: only one layer is pruned, and what it costs is counted from the dense accuracy."""

from collections.abc import Callable

import pytest
import torch

from pipeline.study import Inputs, load_study
from snnprune.core.dataset import Dataset
from snnprune.core.network import SpikingNetwork
from snnprune.core.training import evaluate
from snnprune.core.training.evaluate import accuracy
from tests.pipeline.studies.made import LEVELS, SIZES, Dense, Measure


def test_every_mask_by_another_way(
    measure: Measure, critical: dict[str, torch.Tensor], dense: Dense, dataset: Dataset
) -> None:
    rows = measure("layers", levels=LEVELS, alpha=0.5).to_dict("records")
    assert [(row["layer"], row["synapses"], row["level"]) for row in rows] == [
        (name, size, level) for name, size in SIZES.items() for level in LEVELS
    ]
    start = accuracy(dense(), dataset.validation)
    for row in rows:
        network = dense()
        weight = network.get_parameter(row["layer"])
        keep = round((1 - row["level"]) * weight.numel())
        scores = (weight.detach().abs() * critical[row["layer"]].sqrt()).flatten()
        weight.data.view(-1)[scores.argsort(descending=True, stable=True)[keep:]] = 0
        assert row["nnz"] == keep
        assert row["validation_accuracy"] == accuracy(network, dataset.validation)
        assert row["loss_points"] == pytest.approx(100 * (start - row["validation_accuracy"]))


def test_only_the_one_layer_is_pruned(inputs: Callable[..., Inputs], monkeypatch: pytest.MonkeyPatch) -> None:
    original, zeros = evaluate.accuracy, []

    def watched(network: SpikingNetwork, split: object) -> float:
        zeros.append([int((network.get_parameter(name) == 0).sum()) for name in SIZES])
        return original(network, split)

    monkeypatch.setattr(evaluate, "accuracy", watched)
    load_study("layers").rows(inputs("layers", levels=LEVELS), 0)
    # 50 and 90 % of 256, 192 and 36
    assert zeros == [[128, 0, 0], [230, 0, 0], [0, 96, 0], [0, 173, 0], [0, 0, 18], [0, 0, 32]]
