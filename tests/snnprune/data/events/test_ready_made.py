"""Frames that were made elsewhere."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snnprune.core.errors import DataError
from snnprune.data.events.ready_made import holds_frames, load_frames_file

COUNTS = np.random.default_rng(0).integers(0, 256, (3, 4, 2, 5, 6))
LABELS = np.array([7, 3, 7])


def write(path: Path, **arrays: Any) -> Path:
    np.savez(path, **{"frames": COUNTS, "labels": LABELS, **arrays})
    return path


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.uint16, np.float32, np.float16])
def test_counts_of_any_type_become_bytes(tmp_path: Path, kind: type) -> None:
    ready = load_frames_file(write(tmp_path / "a.npz", frames=COUNTS.astype(kind)))
    assert ready.frames.dtype == np.uint8
    assert np.array_equal(ready.frames, COUNTS)
    assert (ready.labels.tolist(), ready.names) == ([1, 0, 1], ("3", "7"))
    assert (ready.step_ms, ready.binning) == (None, None)


def test_booleans_become_bits(tmp_path: Path) -> None:
    ready = load_frames_file(write(tmp_path / "a.npz", frames=COUNTS > 100))
    assert np.array_equal(ready.frames, (COUNTS > 100) * 1)


@pytest.mark.parametrize(
    ("found", "held"),
    [((3, 4, 7), (3, 4, 1, 1, 7)), ((3, 4, 5, 6), (3, 4, 1, 5, 6)), ((3, 4, 2, 5, 6), (3, 4, 2, 5, 6))],
)
def test_samples_are_held_as_time_channel_height_width(
    tmp_path: Path, found: tuple[int, ...], held: tuple[int, ...]
) -> None:
    frames = np.arange(np.prod(found)).reshape(found) % 256
    ready = load_frames_file(write(tmp_path / "a.npz", frames=frames))
    assert ready.frames.shape == held
    assert np.array_equal(ready.frames.ravel(), frames.ravel())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": COUNTS[:, 0, 0, 0]}, "frames: expected [N, T, F], [N, T, H, W], [N, T, C, H, W]; found [3, 6]"),
        ({"frames": COUNTS[:, :0]}, "frames: expected [N, T, F], [N, T, H, W], [N, T, C, H, W]; found [3, 0, 2, 5, 6]"),
        ({"frames": COUNTS[:2]}, "2 frames, but 3 labels; expected one a sample"),
        ({"frames": COUNTS + 0.5}, "frames[0] holds "),
        ({"frames": np.full((3, 1, 1), np.nan)}, "frames[0] holds nan; expected whole numbers 0 to 255"),
        ({"frames": np.array([[[255]], [[256]], [[-1]]])}, "frames[1] holds 256; expected whole numbers 0 to 255"),
        ({"frames": np.full((3, 1, 1), -1.0)}, "frames[0] holds -1.0; expected whole numbers 0 to 255"),
        ({"frames": np.full((3, 1, 1), "1")}, "frames: expected whole numbers 0 to 255; found <U1"),
        ({"labels": LABELS / 2}, "labels: expected whole numbers [N], one a recording; found float64 [3]"),
    ],
)
def test_what_is_no_set_of_frames_is_an_error(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "a.npz", **change)
    with pytest.raises(DataError) as caught:
        load_frames_file(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_missing_array_is_an_error(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", frames=COUNTS)
    with pytest.raises(DataError, match=r"a.npz: array labels missing; it holds frames; expected frames, labels$"):
        load_frames_file(tmp_path / "a.npz")


def test_it_is_known_by_its_array(tmp_path: Path) -> None:
    assert holds_frames(write(tmp_path / "a.npz"))
    np.savez(tmp_path / "b.npz", labels=LABELS)
    assert not holds_frames(tmp_path / "b.npz")
    assert not holds_frames(tmp_path)
    (tmp_path / "c.npz").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"c.npz: not a readable .npz file"):
        holds_frames(tmp_path / "c.npz")
