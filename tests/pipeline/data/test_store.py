"""The stored dataset: what goes in comes out scaled, equal content gives equal bytes, and nothing else is accepted."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from pipeline.io.store import FILE, SUMMARY_FILE, load_dataset, save_dataset
from snnprune.core.dataset import SPLITS
from snnprune.core.errors import DataError
from tests.imports import PROJECT, imported_files
from tests.pipeline.studies.made import contents

ONE = np.array([1])
FRAMES = np.zeros((1, 2, 1, 2, 2), np.uint8)


def made() -> dict[str, Any]:
    """Arguments of `save_dataset`: 4 + 2 + 1 images of 2 x 2 pixels in 0..16, 2 classes."""
    train = np.arange(16, dtype=np.uint8).reshape(4, 2, 2)
    return {
        "name": "made",
        "classes": 2,
        "scale": 16,
        "splits": {
            "train": (train, np.array([0, 1, 0, 0])),
            "validation": (train[:2] + 1, np.array([1, 0])),
            "test": (np.full((1, 2, 2), 16, np.uint8), np.array([1])),
        },
    }


def with_split(split: str, images: Any = None, labels: Any = None) -> dict[str, Any]:
    arguments = made()
    old = arguments["splits"][split]
    arguments["splits"][split] = tuple(b if a is None else a for a, b in zip((images, labels), old, strict=True))
    return arguments


def test_round_trip_scales_and_adds_the_channel(tmp_path: Path) -> None:
    summary = save_dataset(tmp_path, **made())
    assert json.loads((tmp_path / SUMMARY_FILE).read_text()) == summary
    assert summary == {
        "name": "made",
        "digest": summary["digest"],
        "shape": [1, 2, 2],
        "classes": 2,
        "names": ["0", "1"],
        "splits": {
            "train": {"count": 4, "per_class": [3, 1]},
            "validation": {"count": 2, "per_class": [1, 1]},
            "test": {"count": 1, "per_class": [0, 1]},
        },
    }
    (tmp_path / SUMMARY_FILE).unlink()  # loading does not need it
    assert safetensors.torch.load_file(tmp_path / FILE)["train.images"].dtype == torch.uint8
    dataset = load_dataset(tmp_path)
    assert (dataset.name, dataset.classes, dataset.digest) == ("made", 2, summary["digest"])
    assert dataset.train.images.dtype == torch.float32
    assert dataset.train.images.shape == (4, 1, 2, 2)
    assert dataset.train.images[1, 0].tolist() == [[4 / 16, 5 / 16], [6 / 16, 7 / 16]]
    assert dataset.test.images.tolist() == [[[[1.0, 1.0], [1.0, 1.0]]]]
    assert dataset.validation.labels.dtype == torch.int64
    assert dataset.validation.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("images", "scale"),
    [
        (np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2), 25),
        (np.array([[[[-1.5, 0.1]]], [[[3.25, 1e-30]]]], np.float32), 1),
    ],
    ids=["channels", "float features"],
)
def test_what_has_channels_is_kept_exactly(tmp_path: Path, images: np.ndarray, scale: int) -> None:
    splits = dict.fromkeys(SPLITS, (images, np.array([0, 1])))
    assert save_dataset(tmp_path, "made", 2, scale, splits)["shape"] == list(images.shape[1:])
    assert torch.equal(load_dataset(tmp_path).train.images, torch.from_numpy(images) / scale)


def test_frames_of_events_stay_counts(tmp_path: Path) -> None:
    frames = np.arange(2 * 3 * 1 * 2 * 2, dtype=np.uint8).reshape(2, 3, 1, 2, 2)
    splits = dict.fromkeys(SPLITS, (frames, np.array([0, 1])))
    summary = save_dataset(tmp_path, "made", 2, 1, splits, names=["wave", "clap"], step_ms=1.5, about="made up")
    assert list(summary) == ["name", "digest", "shape", "classes", "names", "step_ms", "about", "splits"]
    assert (summary["shape"], summary["names"], summary["step_ms"]) == ([3, 1, 2, 2], ["wave", "clap"], 1.5)
    dataset = load_dataset(tmp_path)
    assert (dataset.names, dataset.step_ms, dataset.train.images.dtype) == (("wave", "clap"), 1.5, torch.uint8)
    assert torch.equal(dataset.test.images, torch.from_numpy(frames))


def test_names_that_are_numbers_leave_the_stored_bytes_as_they_were(tmp_path: Path) -> None:
    """And files that were stored before datasets had names are read."""
    save_dataset(tmp_path / "one", **made())
    save_dataset(tmp_path / "other", **made(), names=["0", "1"])
    assert contents(tmp_path / "one") == contents(tmp_path / "other")
    with safetensors.safe_open(tmp_path / "one" / FILE, "np") as stored:
        assert set(json.loads(stored.metadata()["dataset"])) == {"name", "classes", "scale", "digest"}
    assert (load_dataset(tmp_path / "one").names, load_dataset(tmp_path / "one").step_ms) == (("0", "1"), None)


@pytest.mark.parametrize("change", [{}, {"scale": 17}, with_split("test", labels=np.array([0]))])
def test_digest_by_hand(tmp_path: Path, change: dict[str, Any]) -> None:
    arguments, parts = made() | change, []
    for split, (images, labels) in arguments["splits"].items():
        parts += [f"{split}.images uint8 ({len(images)}, 1, 2, 2)\n".encode(), images.tobytes()]
        parts += [f"{split}.labels int64 ({len(labels)},)\n".encode(), labels.astype("<i8").tobytes()]
    by_hand = hashlib.sha256(f"scale {arguments['scale']}\n".encode() + b"".join(parts)).hexdigest()
    assert save_dataset(tmp_path, **arguments)["digest"] == by_hand


def test_digest_is_of_the_content_not_of_the_memory_layout(tmp_path: Path) -> None:
    turned = np.asfortranarray(made()["splits"]["train"][0])
    assert not turned.flags.c_contiguous
    assert save_dataset(tmp_path, **with_split("train", images=turned)) == save_dataset(tmp_path, **made())
    assert load_dataset(tmp_path).train.images[0, 0].tolist() == [[0.0, 1 / 16], [2 / 16, 3 / 16]]


def test_equal_content_gives_equal_files_in_another_process_and_nothing_is_left_beside_them(tmp_path: Path) -> None:
    module = "tests.pipeline.data.test_store"
    script = f"import pathlib, {module} as t; t.save_dataset(pathlib.Path({str(tmp_path / 'other')!r}), **t.made())"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=PROJECT)
    save_dataset(tmp_path / "here", **made())
    save_dataset(tmp_path / "here", **made())
    found = contents(tmp_path / "here")
    assert set(found) == {SUMMARY_FILE, FILE}
    assert contents(tmp_path / "other") == found


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (with_split("train", images=np.zeros((4, 4), np.uint8)), r"made, train split: images uint8 \[4, 4\]"),
        (with_split("test", images=np.zeros((1, 2, 3), np.uint8)), r"made, test split: images uint8 \[1, 1, 2, 3\]"),
        (with_split("train", images=np.zeros((4, 2, 2), np.float64)), "train split: images float64"),
        (with_split("train", images=np.zeros((4, 2, 2), np.float32)), r"scale 1 \(found 16\)"),
        (
            with_split("test", images=np.full((1, 2, 2), 17, np.uint8)),
            "test split: pixels up to 17; expected at most 16",
        ),
        (with_split("test", labels=np.array([1, 1])), r"test split: labels int64 \[2\]"),
        (with_split("test", labels=np.array([1], np.int32)), "test split: labels int32"),
        (with_split("test", images=np.zeros((0, 2, 2), np.uint8), labels=np.zeros(0, np.int64)), "at least one"),
        (made() | {"scale": 1, "splits": dict.fromkeys(SPLITS, (np.full((1, 1, 1), np.nan, "f4"), ONE))}, "finite"),
        (with_split("test", labels=np.array([2])), "test split: labels 2 to 2; expected 0 to 1"),
        (with_split("test", labels=np.array([-1])), "test split: labels -1 to -1; expected 0 to 1"),
        (made() | {"names": ["a"]}, "made: names of classes a; expected 2 that differ"),
        (made() | {"names": ["a", "a"]}, "made: names of classes a, a; expected 2 that differ"),
        (made() | {"splits": dict.fromkeys(SPLITS, (FRAMES, ONE))}, "of scale 1; found scale 16"),
        (made() | {"scale": 1, "splits": dict.fromkeys(SPLITS, (FRAMES.astype("f4"), ONE))}, "images float32"),
        (made() | {"splits": {"train": made()["splits"]["train"]}}, "made: splits train; expected train, validation"),
    ],
)
def test_unfit_arrays_are_refused_unwritten(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        save_dataset(tmp_path, **arguments)
    assert not list(tmp_path.iterdir())


def test_missing_damaged_or_foreign_files_are_data_errors(tmp_path: Path) -> None:
    path = tmp_path / FILE
    with pytest.raises(DataError, match=f"{path}: no such file"):
        load_dataset(tmp_path)
    save_dataset(tmp_path, **made())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=f"{path}: damaged"):
        load_dataset(tmp_path)
    safetensors.torch.save_file({"train.images": torch.zeros(1)}, path)
    with pytest.raises(DataError, match=f"{path}: damaged or not a stored dataset"):
        load_dataset(tmp_path)


def test_loading_does_not_import_what_only_the_data_stage_needs() -> None:
    files = imported_files("pipeline.io.store")
    assert files
    assert not [
        file for file in files if "pipeline/data" in file.as_posix() or "sklearn" in (PROJECT / file).read_text()
    ]
