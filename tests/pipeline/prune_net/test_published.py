"""Nets that others have trained and published, through the command `snnprune prune`, where they are at hand."""

import json
import os
from pathlib import Path

import pytest
import torch

from snnprune.adapters.module_file import build_from
from tests.pipeline.prune_net.conftest import blocks
from tests.pipeline.prune_net.test_prune import prune

DATA = Path(os.environ.get("SNN_DATA_DIR", "data/raw"))


def test_forrestkim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ForrestKim42/SNN-MNIST (MIT): 97.61 % is published. Its checkpoint also holds an optimizer and histories."""
    checkpoint, images = DATA / "checkpoints" / "forrestkim_snn_mnist_model.pth", DATA / "mnist"
    if not (checkpoint.is_file() and images.is_dir()):
        pytest.skip(f"{checkpoint} or {images}: not here")
    monkeypatch.chdir(tmp_path)
    Path("my_nets.py").write_text(blocks("python")[0], encoding="utf-8")
    options = ["--levels", "0.5", "--epochs", "0", "--method", "magnitude", "--out", "pruned"]
    assert (
        prune(monkeypatch, "my_nets.py:build", "--checkpoint", str(checkpoint), "--data", f"idx:{images}", *options)
        == 0
    )
    found = json.loads(Path("pruned/results.json").read_text(encoding="utf-8"))
    assert found["dense"]["accuracy"] == pytest.approx(0.9761, abs=2e-4)
    assert (found["levels"][0]["nnz"], found["levels"][0]["accuracy"] > 0.96) == (39_700, True)
    net = build_from("my_nets.py:build")
    net.load_state_dict(torch.load("pruned/level-0.50.pt", weights_only=True), strict=True)
