"""Reads a folder of IDX files, as MNIST and its relatives are published."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch

from snnprune.core.dataset import Split
from snnprune.core.errors import DataError
from snnprune.data import idx


def load_idx(folder: str | Path, part: Literal["train", "test"] = "train") -> Split:
    """The images [N, 1, H, W] in 0..1 and labels [N] of a folder of IDX files, plain or gzipped, named as MNIST's.

    part: `train` (train-images-idx3-ubyte, train-labels-idx1-ubyte) or `test` (t10k-...).

    Raises:
        DataError: a file is missing or damaged, the counts differ, or `part` is something else.
    """
    if part not in ("train", "test"):
        raise DataError(f"part: allowed are train, test; found {part!r}")
    images_path, labels_path = (
        idx.require_file(Path(folder), stem) for stem in (idx.TRAIN_FILES if part == "train" else idx.TEST_FILES)
    )
    images = idx.parse_images(idx.decompress(images_path.read_bytes(), images_path), images_path)
    labels = idx.parse_labels(idx.decompress(labels_path.read_bytes(), labels_path), labels_path)
    idx.require_pairs(images, labels, images_path, labels_path)
    return Split(torch.from_numpy(images[:, None].astype(np.float32)) / 255, torch.from_numpy(labels))
