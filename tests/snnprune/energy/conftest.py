"""Real recordings of N-MNIST, where the folder SNN_DATA_DIR has them."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

EVENTS = Path(os.environ.get("SNN_DATA_DIR") or "nowhere", "nmnist", "nmnist6789-holdout.npz")
collect_ignore = [] if EVENTS.is_file() else ["test_real_events.py"]


@pytest.fixture(scope="session")
def recordings() -> Tensor:
    """Five recordings of each of four classes in ten frames of equal time: counts, uint8 [20, 10, 2, 34, 34]."""
    stored = np.load(EVENTS)
    offsets, x, y = stored["offsets"], stored["x"], stored["y"]
    polarity = np.unpackbits(stored["p"])
    after = stored["dt_lo"].astype(np.int64) | stored["dt_hi"].astype(np.int64) << 8
    chosen = np.concatenate([np.flatnonzero(stored["labels"] == label)[:5] for label in (6, 7, 8, 9)])
    frames = np.zeros((len(chosen), 10, 2, 34, 34), np.uint8)
    for row, number in enumerate(chosen):
        own = slice(offsets[number], offsets[number + 1])
        time = after[own].cumsum() - after[own.start]
        np.add.at(frames[row], (10 * time // (time[-1] + 1), polarity[own], y[own], x[own]), 1)
    return torch.from_numpy(frames)
