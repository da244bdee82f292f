"""Progress of training on the terminal."""

import pytest
import torch

from pipeline.io.progress import TerminalProgress
from snnprune.pruning.iterate import PrunedLevel
from snnprune.pruning.mask import Mask


def test_a_line_per_epoch_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    whole = TerminalProgress("cqp", 0, note=", round 1/3")
    progress = whole.at_level(0.5)
    for epoch in (1, 2):
        for _ in progress.batches([torch.arange(3), torch.arange(2)], epoch, 2):
            progress.batches_done(3, 0.25)
        progress.epoch_done(epoch, 2, 0.25, 0.9 if epoch == 2 else None)
    mask = Mask({"layers.0.weight": torch.tensor([True, False])})
    whole.level_done(PrunedLevel(0.5, 1, mask, {}, 0.8, 0.9))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "cqp@0.50/seed0, round 1/3 epoch 1/2",
        "cqp@0.50/seed0, round 1/3 epoch 2/2",
        "cqp@0.50/seed0, round 1/3",
    ]
    assert all("loss 0.2500" in line and line.endswith("samples/s") for line in lines[:2])
    assert ["validation accuracy 90.00 %" in line for line in lines[:2]] == [False, True]
    assert lines[2].endswith("sparsity 50 %, 1 of 2 synapses, validation accuracy 80.00 -> 90.00 %")


def test_an_emptied_layer_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    mask = Mask({"layers.0.weight": torch.ones(1000, dtype=torch.bool), "layers.1.weight": torch.zeros(10).bool()})
    TerminalProgress("membrane", 1).level_done(PrunedLevel(0.01, 1000, mask, {}, 0.1, 0.1))
    assert capsys.readouterr().out == (
        "membrane@0.01/seed1: sparsity 0.99 %, 1,000 of 1,010 synapses, 1 of its layers without synapses, "
        "validation accuracy 10.00 -> 10.00 %\n"
    )
