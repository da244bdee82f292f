"""`snnprune.load_events`."""

from pathlib import Path

import numpy as np
import pytest
import torch

import snnprune
from tests.snnprune.data.events.recordings import as_bin, packed_arrays, random_events, write_folder

SMALL = random_events(20, seed=0, height=4, width=4)
LARGE = random_events(20, seed=1, height=7, width=9)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {"Train/9/1.bin": SMALL, "Train/10/1.bin": SMALL, "Test/10/1.bin": LARGE}
    return write_folder(tmp_path, {name: as_bin(events) for name, events in files.items()})


def test_both_parts_have_one_sensor_and_one_label_space(folder: Path) -> None:
    train, test = (snnprune.load_events(folder, part, timesteps=3) for part in ("train", "test"))
    assert train.images.shape == (2, 3, 2, 7, 9)
    assert test.images.shape == (1, 3, 2, 7, 9)
    assert (train.labels.tolist(), test.labels.tolist()) == ([0, 1], [1])
    assert (train.images.dtype, train.labels.dtype) == (torch.uint8, torch.int64)
    assert train.images.sum(dim=(1, 2, 3, 4)).tolist() == [20, 20]


def test_options_are_those_of_the_events_block(folder: Path) -> None:
    split = snnprune.load_events(str(folder), timesteps=3, size=[8, 10], downsample=2, polarity=False)
    assert split.images.shape == (2, 3, 1, 4, 5)


def test_train_alone_is_enough(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", **packed_arrays([SMALL, LARGE], [3, 1]))
    split = snnprune.load_events(tmp_path / "mine.npz", timesteps=2)
    assert (split.images.shape, split.labels.tolist()) == ((2, 2, 2, 7, 9), [1, 0])


def test_ready_made_frames_are_taken_as_they_are(tmp_path: Path) -> None:
    counts = np.arange(24).reshape(2, 3, 4)
    np.savez(tmp_path / "mine.npz", frames=counts, labels=[5, 4])
    split = snnprune.load_events(tmp_path / "mine.npz", timesteps=3)
    assert torch.equal(split.images, torch.from_numpy(counts.astype(np.uint8)).reshape(2, 3, 1, 1, 4))
    assert split.labels.tolist() == [1, 0]
    with pytest.raises(snnprune.DataError, match=r"mine.npz: frames of 3 time steps; timesteps says 4$"):
        snnprune.load_events(tmp_path / "mine.npz", timesteps=4)
    with pytest.raises(snnprune.DataError, match=r"mine.npz: frames that are ready are all train, without options"):
        snnprune.load_events(tmp_path / "mine.npz", "test", timesteps=3)


def test_a_part_or_an_option_that_is_not_allowed_is_an_error(folder: Path) -> None:
    with pytest.raises(snnprune.DataError, match="^part: allowed are train, test; found 'validation'$"):
        snnprune.load_events(folder, "validation", timesteps=3)
    with pytest.raises(snnprune.UserError, match=r"^load_events.window: unknown key; allowed here: timesteps, by, "):
        snnprune.load_events(folder, timesteps=3, window=10)
