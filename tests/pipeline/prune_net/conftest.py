"""A user's folder: the network of docs/your_network.md, trained a little, and data of MNIST's shape and file names."""

import re
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import snnprune
from snnprune.adapters.module_file import build_from
from snnprune.data import idx
from snnprune.data.idx import load_idx
from tests.imports import PROJECT

DOCS = (PROJECT / "docs/your_network.md").read_text(encoding="utf-8")
TRAIN = 1200  # of the 1,797 digits


def blocks(language: str) -> list[str]:
    """The examples of the page, in order."""
    return re.findall(rf"```{language}\n(.*?)```", DOCS, flags=re.DOTALL)


def write_idx(folder: Path, images: np.ndarray, labels: np.ndarray, part: str) -> None:
    """Images [N, H, W], uint8, and labels as files of MNIST's names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = idx.FILES[part]
    (folder / names[0]).write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, *images.shape) + images.tobytes())
    (folder / names[1]).write_bytes(struct.pack(">4BI", 0, 0, 8, 1, len(labels)) + labels.astype(np.uint8).tobytes())


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that no test changes: my_nets.py, my.pt, and the folder mnist."""
    folder = tmp_path_factory.mktemp("user")
    bunch = load_digits()
    images = np.pad(np.kron(bunch.images, np.ones((3, 3))), ((0, 0), (2, 2), (2, 2))) * (255 / 16)
    images = images.astype(np.uint8)
    write_idx(folder / "mnist", images[:TRAIN], bunch.target[:TRAIN], "train")
    write_idx(folder / "mnist", images[TRAIN:], bunch.target[TRAIN:], "test")
    (folder / "my_nets.py").write_text(blocks("python")[0], encoding="utf-8")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = build_from(f"{folder / 'my_nets.py'}:build")
    data = load_idx(folder / "mnist")
    adapted = snnprune.adapt(net, data.images[:64])
    own = snnprune.train(adapted.network, data, training=snnprune.Training(epochs=6))  # faster than by its own forward
    net.load_state_dict(adapted.state_dict(own))
    torch.save({"epoch": 6, "model_state_dict": net.state_dict()}, folder / "my.pt")
    sys.modules.pop("my_nets", None)
    return folder


@pytest.fixture
def user(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with those files."""
    for name in ("my_nets.py", "my.pt", "mnist"):
        (tmp_path / name).symlink_to(trained / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path
