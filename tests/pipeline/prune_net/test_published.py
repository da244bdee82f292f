"""Nets that others have trained and published, through the command `snnprune prune`, where they are at hand."""

import importlib.util
import json
import os
from pathlib import Path

import pytest
import torch

from pipeline.export.find import find
from snnprune.adapters.module_file import build_from
from snnprune.data.idx import load_idx
from snnprune.export.parity import differences
from snnprune.export.registry import load_target
from tests.pipeline.prune_net.conftest import blocks, write_idx
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


INTEL = """
import snntorch as snn
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer_1, self.network_1 = nn.Linear(784, 256), snn.Leaky(beta=0.9, init_hidden=True)
        self.layer_2, self.network_2 = nn.Linear(256, 128), snn.Leaky(beta=0.9, init_hidden=True)
        self.layer_3, self.network_3 = nn.Linear(128, 10), snn.Leaky(beta=0.9, init_hidden=True, output=True)

    def forward(self, x):
        spikes = self.network_2(self.layer_2(self.network_1(self.layer_1(x.flatten(1)))))
        return self.network_3(self.layer_3(spikes))


def build():
    return Net()
"""


def test_spiking_intel_is_read_at_its_potentials_in_every_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SpikingIntelligenceSystem/snn-mnist-classifier-project (MIT): 97.2 % is published, 96.1 % were measured on 5,000
    images. Here on 200; as CSR, whose reader takes its time, only its sparser level."""
    checkpoint, images = DATA / "checkpoints" / "spiking-intel_SNN_model.pt", DATA / "mnist"
    if not (checkpoint.is_file() and images.is_dir()):
        pytest.skip(f"{checkpoint} or {images}: not here")
    monkeypatch.chdir(tmp_path)
    Path("intel.py").write_text(INTEL, encoding="utf-8")
    for part, count in (("train", 100), ("test", 200)):
        split = load_idx(images, part)
        pixels = (split.images[:count, 0] * 255).round().byte()
        write_idx(Path("few"), pixels.numpy(), split.labels[:count].numpy(), part)
    options = "--readout mean-membrane --encoding rate --normalize 0.1307,0.3081 --timesteps 100 --levels 0.9 0.98"
    options += " --epochs 0 --method magnitude --data idx:few --out pruned"
    assert prune(monkeypatch, "intel.py:build", "--checkpoint", str(checkpoint), *options.split()) == 0
    found = json.loads(Path("pruned/results.json").read_text(encoding="utf-8"))
    assert found["dense"]["accuracy"] > 0.94
    for target, level in (("c", "0.90"), ("onnx", "0.90"), ("nir", "0.90"), ("csr", "0.98")):
        if (package := {"onnx": "onnxruntime", "nir": "nir"}.get(target)) and importlib.util.find_spec(package) is None:
            continue
        net, exported = find(f"pruned/level-{level}.pt"), load_target(target)
        folder = tmp_path / target
        folder.mkdir()
        for name, content in exported.export(net.network, ()).files.items():
            (folder / name).write_bytes(content)
        differing = differences(net.network, exported, folder, net.dataset.test)
        assert (differing.samples, differing.decisions) == (200, 0)
        assert differing.counts <= 4  # a spike that another order of summation tips moves a potential
        assert differing.accuracy == found["levels"][0 if level == "0.90" else 1]["accuracy"]
