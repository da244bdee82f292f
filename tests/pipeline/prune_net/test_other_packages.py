"""The page's section on other packages, as a user types it: command, state dict, and the net back in plain code."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import snnprune
from snnprune.adapters.module_file import build_from
from snnprune.data.idx import load_idx
from tests.imports import PROJECT
from tests.pipeline.prune_net.conftest import blocks

_, _, _, JELLY, ELF, BACK, *_ = blocks("python")
COMMANDS = blocks("bash")[1].strip().splitlines()
NEEDS = {"jelly": "spikingjelly", "elf": "norse"}  # file -> package


def jelly_counts(net: nn.Module, images: Tensor) -> Tensor:
    from spikingjelly.activation_based import functional

    functional.reset_net(net)
    return net(images).sum(0)


def elf_counts(net: nn.Module, images: Tensor) -> Tensor:
    state, counts = None, 0
    for _ in range(10):
        spikes, state = net(images, state)
        counts = counts + spikes
    return counts


@pytest.mark.parametrize(
    ("name", "text", "command", "counts", "synapses"),
    [("jelly", JELLY, COMMANDS[0], jelly_counts, 19_272), ("elf", ELF, COMMANDS[1], elf_counts, 86_400)],
)
def test_the_section_on_other_packages(
    name: str, text: str, command: str, counts: object, synapses: int, trained: Path, tmp_path: Path
) -> None:
    pytest.importorskip(NEEDS[name])
    (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    (tmp_path / "mnist").symlink_to(trained / "mnist")
    torch.manual_seed(0)
    source, data = f"{tmp_path / name}.py:build", load_idx(tmp_path / "mnist")
    adapted = snnprune.adapt(build_from(source), data.images[:64], timesteps=None if name == "jelly" else 10)
    own = snnprune.train(adapted.network, data, training=snnprune.Training(epochs=5, batch_size=32, lr=0.005))
    torch.save(adapted.state_dict(own), tmp_path / f"{name}.pt")
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    words = shlex.split(command.replace("idx:data/MNIST/raw", "idx:mnist"))
    assert f": {synapses:,} synapses, T " in run(sys.executable, "-m", "flows.cli", *words[1:])
    split = load_idx(tmp_path / "mnist", "test")
    found = json.loads((tmp_path / f"pruned-{name}/results.json").read_text(encoding="utf-8"))
    assert found["own_forward"]
    for row, level in zip(found["levels"], (0.8, 0.9), strict=True):
        net = build_from(source)
        net.load_state_dict(
            torch.load(tmp_path / f"pruned-{name}/level-{level:.2f}.pt", weights_only=True), strict=True
        )
        mask = torch.load(tmp_path / f"pruned-{name}/mask-{level:.2f}.pt", weights_only=True)
        assert row["nnz"] == round((1 - level) * synapses) == sum(int(kept.count_nonzero()) for kept in mask.values())
        assert all(not net.get_parameter(key)[~kept].any() for key, kept in mask.items())
        with torch.no_grad():
            right = counts(net.eval(), split.images).argmax(1) == split.labels
        assert row["accuracy"] == right.double().mean().item() > 0.5
    if name == "jelly":
        assert run(sys.executable, "-c", BACK) == "torch.Size([4, 1, 10])\n"
