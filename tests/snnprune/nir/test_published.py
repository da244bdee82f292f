"""Nets that others have trained and published as NIR (neuromorphs/NIR, BSD-3), where they are at hand."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

nir = pytest.importorskip("nir")

from snnprune.data.events.layout import open_source  # noqa: E402
from snnprune.nir.network import StepNetwork  # noqa: E402
from snnprune.nir.reading import read  # noqa: E402
from snnprune.nir.writing import write  # noqa: E402
from snnprune.pruning.mask import prunable_weights  # noqa: E402
from tests.snnprune.nir.equations import interpret  # noqa: E402

DATA = Path(os.environ.get("SNN_DATA_DIR", "data/raw"))
NMNIST = DATA / "nmnist" / "nmnist-small.tar.xz"
STEPS = 310  # of a millisecond; the last saccade ends before


def checkpoint(name: str) -> Path:
    path = DATA / "checkpoints" / name
    if not path.is_file():
        pytest.skip(f"{path}: not here")
    return path


def prune(network: StepNetwork, names: list[str], level: float) -> None:
    """By magnitude, the same share of each layer."""
    weights = prunable_weights(network)
    with torch.no_grad():
        for name in names:
            weight = weights[name]
            order = weight.abs().flatten().argsort()
            weight.view(-1)[order[: round(level * weight.numel())]] = 0


@pytest.fixture(scope="module")
def recordings() -> tuple[Tensor, Tensor]:
    """The 100 test recordings of the small N-MNIST: events of each millisecond [T, B, 2, 34, 34], and labels [B]."""
    if not NMNIST.is_file():
        pytest.skip(f"{NMNIST}: not here")
    source = open_source(NMNIST, "test")
    frames, labels = np.zeros((STEPS, len(source), 2, 34, 34), np.float32), np.zeros(len(source), np.int64)
    for recording in source:
        step = recording.t // 1000
        kept = step < STEPS
        place = step[kept], recording.index, recording.p[kept], recording.y[kept], recording.x[kept]
        np.add.at(frames, place, 1)
        labels[recording.index] = int(source.names[recording.label])
    return torch.from_numpy(frames), torch.from_numpy(labels)


@torch.no_grad()
def by_hand(graph, frames: Tensor) -> Tensor:
    """Spike counts [B, 10] of the convolutional net, reset by subtraction, written out layer by layer."""
    w = {name: torch.from_numpy(node.weight) for name, node in graph.nodes.items() if hasattr(node, "weight")}
    potentials: dict[str, Tensor | float] = dict.fromkeys(("1", "3", "6", "10", "12"), 0.0)

    def fire(name: str, current: Tensor) -> Tensor:
        potential = potentials[name] + current
        spikes = (potential > 1).float()
        potentials[name] = potential - spikes
        return spikes

    counts = torch.zeros(frames.shape[1], 10)
    for now in frames:
        x = fire("1", functional.conv2d(now, w["0"], stride=2, padding=1))
        x = fire("3", functional.conv2d(x, w["2"], padding=1))
        x = functional.avg_pool2d(x, 2) * 4
        x = fire("6", functional.conv2d(x, w["5"], padding=1))
        x = functional.avg_pool2d(x, 2) * 4
        x = fire("10", functional.linear(x.flatten(1), w["9"]))
        counts += fire("12", functional.linear(x, w["11"]))
    return counts


@torch.no_grad()
def test_the_convolutional_net_on_real_recordings(recordings: tuple[Tensor, Tensor], tmp_path: Path) -> None:
    """98 of 100, and the counts of every recording those of a loop written by hand. Pruned to half and written, it is
    read again equal."""
    path, (frames, labels) = checkpoint("cnn_sinabs.nir"), recordings
    network = read(path, reset="subtract")
    counts = network(frames).sum(0)
    assert torch.equal(counts, by_hand(nir.read(path), frames))
    assert int((counts.argmax(1) == labels).sum()) == 98
    assert int((read(path)(frames).sum(0).argmax(1) == labels).sum()) == 100  # the file's own v_reset
    names = list(prunable_weights(network))
    prune(network, names, 0.5)
    write(network, tmp_path / "half.nir")
    again = read(tmp_path / "half.nir", reset="subtract")
    weights = prunable_weights(again)
    assert [2 * int(weight.count_nonzero()) for weight in weights.values()] == [w.numel() for w in weights.values()]
    few = frames[:100, :20]
    assert torch.equal(again(few), network(few))


@torch.no_grad()
def test_the_recurrent_net_comes_back_pruned(tmp_path: Path) -> None:
    path = checkpoint("braille_noDelay_bias_zero.nir")
    network = read(path)
    values = (torch.rand(256, 30, 12, generator=torch.Generator().manual_seed(0)) < 0.15).float()
    before = network(values)
    assert (before.numpy() == interpret(nir.read(path), values.numpy(), 1e-4)).all()
    prune(network, ["nodes.lif1_w_rec.weight"], 0.5)
    write(network, tmp_path / "pruned.nir")
    again = read(tmp_path / "pruned.nir")
    assert int((again.module("lif1.w_rec").weight == 0).sum()) == 38 * 38 // 2
    assert all(map(torch.equal, again.state_dict().values(), network.state_dict().values()))
    assert torch.equal(again(values), network(values))
    assert not torch.equal(again(values), before)
