"""Hand-made IDX datasets for the tests of this folder."""

import gzip
import hashlib
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.data.sources import ENVIRONMENT_VARIABLE, Pins, PublicSet
from snnprune.data import idx

# Tests download nothing from the internet: real data is tested where SNN_DATA_DIR has it.
MNIST_FOLDER = Path(os.environ.get(ENVIRONMENT_VARIABLE) or "nowhere", "mnist")
collect_ignore = [] if MNIST_FOLDER.is_dir() else ["test_real_mnist.py"]


def idx_images(count: int) -> bytes:
    """An IDX3 file of `count` images of 2 x 3 pixels; image i holds six times the value i."""
    header = struct.pack(">4B3I", 0, 0, 8, 3, count, 2, 3)
    return header + b"".join(bytes([i % 256] * 6) for i in range(count))


def idx_labels(count: int) -> bytes:
    """An IDX1 file of the labels 0, 1, 2, 0, 1, 2, ..."""
    return struct.pack(">4BI", 0, 0, 8, 1, count) + bytes(i % 3 for i in range(count))


@pytest.fixture
def contents() -> dict[str, bytes]:
    """The decompressed content of a dataset's four files: 30 train and 6 test images, 3 classes."""
    return {
        idx.TRAIN_IMAGES: idx_images(30),
        idx.TRAIN_LABELS: idx_labels(30),
        idx.TEST_IMAGES: idx_images(6),
        idx.TEST_LABELS: idx_labels(6),
    }


@pytest.fixture
def write_folder(contents: dict[str, bytes]) -> Callable[[Path], Path]:
    """Writes the four files plainly into a folder."""

    def write(folder: Path) -> Path:
        folder.mkdir(parents=True)
        for stem, content in contents.items():
            (folder / stem).write_bytes(content)
        return folder

    return write


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder as working directory, with nothing beside it and no dataset folder in the environment."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    return folder


@pytest.fixture
def tiny(contents: dict[str, bytes]) -> PublicSet:
    """The four files as a published dataset, pinned by content, without mirrors."""
    digests = {stem: hashlib.sha256(content).hexdigest() for stem, content in contents.items()}
    return PublicSet("tiny", Pins("content", digests), mirrors=())


@pytest.fixture
def archives(contents: dict[str, bytes]) -> dict[str, bytes]:
    """The four files gzipped, as a mirror serves them, by file name."""
    return {f"{stem}.gz": gzip.compress(content, mtime=0) for stem, content in contents.items()}
