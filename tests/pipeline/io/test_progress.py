"""Progress of training on the terminal."""

import pytest
import torch

from pipeline.io.progress import TerminalProgress
from snnprune.pruning.iterate import PrunedLevel
from snnprune.pruning.mask import Mask


def test_a_line_per_epoch_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    whole = TerminalProgress("cqp seed 0")
    progress = whole.at_level(0.5)
    for epoch in (1, 2):
        for _ in progress.batches([torch.arange(3), torch.arange(2)], epoch, 2):
            progress.batches_done(3, 0.25)
        progress.epoch_done(epoch, 2, 0.25, 0.9 if epoch == 2 else None)
    mask = Mask({"layers.0.weight": torch.tensor([True, False])})
    whole.level_done(PrunedLevel(0.5, 1, mask, {}, 0.8, 0.9))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "cqp seed 0 level 0.5 epoch 1/2",
        "cqp seed 0 level 0.5 epoch 2/2",
        "cqp seed 0 level 0.5",
    ]
    assert all("loss 0.2500" in line and line.endswith("samples/s") for line in lines[:2])
    assert ["validation 90.00%" in line for line in lines[:2]] == [False, True]
    assert lines[2].endswith("sparsity 0.5000, 1 of 2 synapses, validation 80.00% -> 90.00%")
