"""A NIR file pruned from the command line's job, and written back as NIR."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

nir = pytest.importorskip("nir")

from pipeline.export.export import export  # noqa: E402
from pipeline.prune_net.prune import Job, prune  # noqa: E402
from snnprune.core.errors import UserError  # noqa: E402
from snnprune.nir.reading import read  # noqa: E402


def job(folder: Path, **others: object) -> Job:
    """Frames whose class is the half with more events, and a net that adds each half up."""
    generator = np.random.default_rng(0)
    labels = np.arange(90) % 2
    halves = np.where(labels[:, None] == np.arange(2), 0.5, 0.1)
    frames = generator.random((90, 6, 1, 4, 4)) < np.repeat(halves, 2, axis=1)[:, None, None, None]
    np.savez(folder / "data.npz", frames=frames.astype(np.uint8), labels=labels)
    weight = np.zeros((2, 16), np.float32)
    for output in range(2):
        weight[output].reshape(4, 4)[:, 2 * output : 2 * output + 2] = 0.3
    neurons = nir.IF(r=np.ones(2), v_threshold=np.ones(2))
    ends = nir.Input(np.array([1, 4, 4])), nir.Flatten(np.array([1, 4, 4]), 0, -1)
    nir.write(folder / "net.nir", nir.NIRGraph.from_list(*ends, nir.Affine(weight, np.zeros(2, np.float32)), neurons))
    values = {
        "network": str(folder / "net.nir"), "checkpoint": None, "data": f"events:{folder / 'data.npz'}",
        "out": folder / "out", "method": "magnitude", "alpha": None, "running": {"timesteps": 6, "reset": "subtract"},
        "pruning": {"levels": [0.5], "finetune": None}, "seed": 0, "device": "cpu", "threads": 1,
    }  # fmt: skip
    return Job(**values | others)


def test_half_of_the_synapses_are_none_and_leave_the_net_as_it_was(tmp_path: Path) -> None:
    prune(job(tmp_path))
    found = json.loads((tmp_path / "out/results.json").read_text())
    assert found["dense"]["accuracy"] > 0.9
    assert found["levels"][0]["nnz"] == 16
    assert found["levels"][0]["accuracy"] == found["dense"]["accuracy"]
    before, after = read(tmp_path / "net.nir"), read(tmp_path / "out/level-0.50.nir")
    assert all(map(torch.equal, before.state_dict().values(), after.state_dict().values()))
    assert nir.read(tmp_path / "out/level-0.50.nir").edges == nir.read(tmp_path / "net.nir").edges


def test_a_pruned_level_goes_to_c(tmp_path: Path) -> None:
    """By the name of its NIR file, which holds its weights."""
    prune(job(tmp_path, pruning={"levels": [0.75], "finetune": None}))
    (line, *_) = export(str(tmp_path / "out/level-0.75.nir"), ["c"], tmp_path / "chip")
    assert "0 of 18 decisions differ, spike counts of 0" in line
    with pytest.raises(
        UserError, match=r"level-0.75.pt: not a level of .*; name one of its levels: .*level-0\.75\.nir"
    ):
        next(export(str(tmp_path / "out/level-0.75.pt"), ["c"], tmp_path / "chip"))


def test_a_nir_file_has_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"checkpoint: .*net\.nir holds its weights itself; found some\.pt"):
        prune(job(tmp_path, checkpoint=Path("some.pt")))


def test_a_reset_that_nir_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="reset: allowed are subtract, zero, file; found 'none'"):
        prune(job(tmp_path, running={"timesteps": 6, "reset": "none"}))
