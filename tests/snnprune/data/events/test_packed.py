"""Many recordings in one .npz."""

import errno
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from snnprune.core.errors import DataError
from snnprune.data.events.packed import open_packed
from tests.snnprune.data.events.recordings import packed_arrays, random_events

RECORDINGS = [random_events(count, seed=count, last_us=50_000) for count in (11, 3, 26)]  # no polarity at a byte's edge
LABELS = np.array([9, 6, 9], np.uint8)
ARRAYS = packed_arrays(RECORDINGS, LABELS)


def write(path: Path, **change: Any) -> Path:
    arrays = {name: array for name, array in {**ARRAYS, **change}.items() if array is not None}
    np.savez(path, **arrays)
    return path


def test_what_is_packed_is_read_again(tmp_path: Path) -> None:
    source = open_packed(write(tmp_path / "a.npz", index=np.arange(3)), "a.npz")
    assert (source.names, source.labels.tolist(), len(source)) == (("6", "9"), [1, 0, 1], 3)
    assert source.size == (6, 5)
    for _ in range(2):  # each iteration begins anew
        for index, (read, events) in enumerate(zip(source, RECORDINGS, strict=True)):
            assert (read.label, read.index, read.file) == ([1, 0, 1][index], index, f"a.npz[{index}]")
            for name in events._fields:
                assert getattr(read, name).tolist() == getattr(events, name).tolist()


def test_an_event_takes_three_bytes_and_a_bit_until_its_recording_is_read(tmp_path: Path) -> None:
    source = open_packed(write(tmp_path / "a.npz"), "a.npz")
    first = next(iter(source))
    assert (first.t.dtype, first.x.dtype, first.y.dtype, first.p.dtype) == (np.int64, np.uint8, np.uint8, np.uint8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"dt_hi": None, "p": None},
            ": array p, dt_hi missing; it holds x, y, dt_lo, offsets, labels; expected x, y, ",
        ),
        ({"y": ARRAYS["y"][:-1]}, ": y has 39 bytes, expected 40 for the 40 events of x"),
        ({"p": ARRAYS["p"][:-1]}, ": p has 4 bytes, expected 5 for the 40 events of x"),
        ({"dt_lo": ARRAYS["dt_lo"].astype(np.int64)}, ": dt_lo: expected uint8 [n]; found int64 [40]"),
        ({"labels": LABELS[:-1]}, ": offsets: expected whole numbers [3], one more than labels; found int64 [4]"),
        ({"labels": LABELS / 2}, ": labels: expected whole numbers [N], one a recording; found float64 [3]"),
        ({"offsets": np.array([0, 11, 14, 39])}, ": offsets: expected 0 to 40, the number of events; found 0 to 39"),
        ({"offsets": np.array([0, 11, 11, 40])}, "[1]: the recording has no events"),
        ({"offsets": np.array([0, 11, 9, 40])}, "[1]: the recording ends before it begins (11 to 9)"),
        ({"offsets": np.array([0, 11, 14, 40.0])}, ": offsets: expected whole numbers [4]"),
        (
            {"x": None, "frames": np.zeros((1, 2, 3))},
            ": array x missing; it holds y, p, dt_lo, dt_hi, offsets, labels, f",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_an_error(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        open_packed(write(tmp_path / "a.npz", **change), "a.npz")
    assert str(caught.value).startswith(f"a.npz{message}")


def test_frames_that_are_ready_are_sent_to_their_own_way_in(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ready-made frames are one file for all splits, given by its own path$"):
        open_packed(write(tmp_path / "a.npz", x=None, frames=np.zeros((1, 2, 3))), "a.npz")


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-30], lambda content: b"", lambda content: b"no zip at all"]
)
def test_a_damaged_file_is_an_error(tmp_path: Path, damage: Any) -> None:
    path = write(tmp_path / "a.npz")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match="^a.npz: not a readable .npz file"):
        open_packed(path, "a.npz")


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> NoReturn:
        raise PermissionError(errno.EACCES, "")

    monkeypatch.setattr(np, "load", refuse)
    with pytest.raises(DataError, match=r"^a.npz: cannot be read \(Permission denied\); check it and its permissions$"):
        open_packed(tmp_path / "a.npz", "a.npz")


def test_a_changed_byte_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz")
    content = bytearray(path.read_bytes())
    content[content.index(ARRAYS["x"].tobytes())] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="^a.npz: not a readable .npz file"):
        open_packed(path, "a.npz")


def test_a_plain_npy_under_that_name_is_an_error(tmp_path: Path) -> None:
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, np.arange(3))
    with pytest.raises(DataError, match="^a.npz: not a readable .npz file"):
        open_packed(tmp_path / "a.npz", "a.npz")
