"""The registry of datasets, the user's own folders, and the params schema of the data block."""

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.datasets import DATASETS, load
from pipeline.data.params import DataParams
from snnprune.core.errors import DataError
from snnprune.core.schema import ParamsError, validate
from snnprune.data import idx

Write = Callable[[Path], Path]
SYNTHETIC = (
    "6b25b3f204808ab7c2fc39412facdb610e58e112fd61850001c532f7ce41c713",
    "5acb29847cc68b2b461ae941d2bbc6e2fca9ffbf8925f44323f526f24963f5d7",
)
TEN = tuple("0123456789")
T10 = {"timesteps": 10}
NMNIST = {"dataset": "nmnist", "test": None, "events": T10}
PLAIN = {"dataset": "digits", "validation": 0.2, "test": 0.2, "split_seed": 0}


def test_digits_are_scikit_learns() -> None:
    raw = load("digits", {}, with_test=False)
    assert raw.samples.images.shape == (1797, 8, 8)
    assert (raw.samples.images.dtype, raw.samples.labels.dtype) == (np.uint8, np.int64)
    assert (raw.samples.images.max(), raw.scale, raw.names, raw.test) == (16, 16, TEN, None)
    assert raw.samples.labels[:10].tolist() == list(range(10))


def test_synthetic_has_the_same_bytes_everywhere() -> None:
    raw = load("synthetic", {}, with_test=False)
    images, labels = raw.samples.images, raw.samples.labels
    assert (images.shape, images.dtype, labels.dtype) == ((10_000, 1, 784), np.float32, np.int64)
    assert (raw.name, raw.scale, raw.names, raw.test) == ("synthetic", 1, TEN, None)
    assert tuple(hashlib.sha256(array.tobytes()).hexdigest() for array in (images, labels)) == SYNTHETIC


@pytest.mark.parametrize("name", [name for name, entry in DATASETS.items() if entry.official_test and not entry.events])
def test_another_sets_files_are_not_taken_for_a_published_one(name: str, project: Path, write_folder: Write) -> None:
    write_folder(project / "data" / "raw" / name)
    with pytest.raises(DataError, match=f"data/raw/{name}/{idx.TRAIN_IMAGES}: "):
        load(name, {}, with_test=True)


def test_folder_with_test_files_has_a_name_without_its_path(project: Path, write_folder: Write) -> None:
    raw = load(f"idx:{write_folder(project / 'deep' / 'mine')}", {}, with_test=True)
    assert raw.test is not None
    assert (raw.name, raw.names, raw.scale) == ("idx:mine", ("0", "1", "2"), 255)
    assert raw.samples.images.shape == (30, 2, 3)
    assert raw.test.images[5].tolist() == [[5, 5, 5], [5, 5, 5]]
    assert raw.test.labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_folder_without_test_files(project: Path, write_folder: Write) -> None:
    folder = write_folder(project / "mine")
    with pytest.raises(DataError, match="has its own test split; remove the parameter test"):
        load("idx:mine", {}, with_test=False)
    for stem in idx.FILES["test"]:
        (folder / stem).unlink()
    assert load("idx:mine", {}, with_test=False).test is None
    with pytest.raises(DataError, match=f"{idx.TEST_IMAGES}.*missing"):
        load("idx:mine", {}, with_test=True)


def test_pinned_folder_is_verified(project: Path, write_folder: Write, contents: dict[str, bytes]) -> None:
    folder = write_folder(project / "mine")
    pins = {stem: hashlib.sha256(content).hexdigest() for stem, content in contents.items()}
    load("idx:mine", pins, with_test=True)
    altered = contents[idx.TEST_LABELS][:-1] + b"\0"
    (folder / idx.TEST_LABELS).write_bytes(gzip.compress(altered))
    load("idx:mine", {}, with_test=True)
    with pytest.raises(DataError, match=f"mine/{idx.TEST_LABELS}: its decompressed content's SHA-256"):
        load("idx:mine", pins, with_test=True)


def test_labels_and_images_of_different_copies(project: Path, write_folder: Write) -> None:
    folder = write_folder(project / "mine")
    (folder / idx.TRAIN_LABELS).write_bytes((folder / idx.TEST_LABELS).read_bytes())
    with pytest.raises(DataError, match=f"{idx.TRAIN_LABELS}: 6 labels, but .*{idx.TRAIN_IMAGES} has 30 images"):
        load("idx:mine", {}, with_test=True)


def test_test_images_of_another_size(project: Path, write_folder: Write) -> None:
    folder = write_folder(project / "mine")
    content = (folder / idx.TEST_IMAGES).read_bytes()
    turned = content[:8] + content[12:16] + content[8:12] + content[16:]  # 3 x 2 instead of 2 x 3
    (folder / idx.TEST_IMAGES).write_bytes(turned)
    with pytest.raises(DataError, match=f"{idx.TEST_IMAGES}: images of 3 x 2 pixels, expected 2 x 3"):
        load("idx:mine", {}, with_test=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cifar", "cifar: unknown dataset; choose one of digits, .*, pokerdvs, idx:<folder>, events:<folder or file>"),
        ("idx:nowhere", "nowhere: no such folder"),
    ],
)
def test_what_is_not_there_is_named(project: Path, name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(name, {}, with_test=True)


# The params schema


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"validation": 100, "test": 1},
        {"dataset": "mnist", "test": None},
        {"dataset": "synthetic", "test": 2000},
        {"dataset": "idx:mine"},
        {"dataset": "idx:mine", "test": None, "sha256": {idx.TRAIN_IMAGES: "0" * 64}},
        {"dataset": "events:mine", "events": {"timesteps": 10, "size": [4, 5]}},
        {"dataset": "nmnist", "test": None, "events": {"timesteps": 10, "crop": [0, 0, 34, 34]}},
    ],
)
def test_allowed_params(change: dict[str, object]) -> None:
    params = validate(DataParams, PLAIN | change, "data")
    assert params.validation == (PLAIN | change)["validation"]
    assert type(params.validation) is type((PLAIN | change)["validation"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"dataset": "cifar"},
            "data.dataset: .*allowed are digits, mnist, .*, pokerdvs, idx:<folder>, events:<folder or file>; ",
        ),
        ({"dataset": "idx:"}, "data.dataset: .*the folder is missing"),
        ({"test": None}, "data.test: .*digits has no official test split"),
        ({"dataset": "synthetic", "test": None}, "data.test: .*synthetic has no official test split"),
        ({"dataset": "mnist"}, "data.test: .*mnist has an official test split; remove this key"),
        ({"validation": 0.0}, "data.validation: .*a share between 0 and 1"),
        ({"validation": 1.0}, "data.validation: .*a share between 0 and 1"),
        ({"validation": 0}, "data.validation: .*a whole number of samples"),
        ({"validation": True}, "data.validation: .*a whole number of samples"),
        ({"validation": "0.2"}, "data.validation: .*a whole number of samples"),
        ({"test": -3}, "data.test: .*a whole number of samples"),
        ({"split_seed": -1}, "data.split_seed: "),
        ({"split_seed": 0.5}, "data.split_seed: "),
        ({"seed": 1}, "data.seed: unknown key"),
        ({"sha256": {idx.TRAIN_IMAGES: "0" * 64}}, "data.sha256: .*digests of digits are built in"),
        ({"dataset": "idx:mine", "sha256": {"train": "0" * 64}}, "data.sha256: .*unknown file train"),
        ({"dataset": "idx:mine", "sha256": {idx.TRAIN_IMAGES: "abc"}}, "data.sha256: .*64 hexadecimal digits"),
        ({"dataset": "events:"}, "data.dataset: the folder is missing; write events:<folder or file>"),
        ({"dataset": "events:mine"}, "data.events: missing; events:mine are events: say how they become frames"),
        ({"events": T10}, "data.events: digits are images; allowed only for nmnist, nmnist-6789, .*, events:<folder"),
        ({"dataset": "nmnist", "test": None, "events": {}}, "data.events.timesteps: missing; it has no default"),
        ({"dataset": "nmnist", "events": T10}, "data.test: .*nmnist has an official test split; remove this key"),
        (NMNIST | {"events": T10 | {"size": [28, 28]}}, "data.events: .*nmnist has 34 x 34 pixels; remove this key"),
        (NMNIST | {"events": T10 | {"crop": [0, 0, 34, 35]}}, "data.events: crop: .* beyond the sensor of 34 x 34"),
        (
            {"dataset": "events:mine", "events": T10, "sha256": {idx.TRAIN_IMAGES: "0" * 64}},
            r"data.sha256: only for idx:<folder>; found",
        ),
        (NMNIST | {"sha256": {idx.TRAIN_IMAGES: "0" * 64}}, "data.sha256: .*digests of nmnist are built in"),
    ],
)
def test_refused_params_name_the_key_and_what_is_allowed(change: dict[str, object], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        validate(DataParams, PLAIN | change, "data")


@pytest.mark.parametrize("key", ["dataset", "validation", "test", "split_seed"])
def test_required_keys(key: str) -> None:
    with pytest.raises(ParamsError, match=f"data.{key}: "):
        validate(DataParams, {other: value for other, value in PLAIN.items() if other != key}, "data")


def test_a_name_is_kept_as_the_registry_spells_it() -> None:
    assert validate(DataParams, PLAIN | NMNIST | {"dataset": "NMNIST_6789"}, "data").dataset == "nmnist-6789"


@pytest.mark.parametrize(
    ("dataset", "events", "shape"),
    [
        ("nmnist", {"downsample": 2}, (10, 2, 17, 17)),
        ("shd", {}, (10, 1, 1, 700)),
        ("events:mine", {"size": [4, 5], "polarity": False}, (10, 1, 4, 5)),
        ("events:mine", {"size": [4, 5]}, None),
        ("events:mine", {"polarity": False}, None),
    ],
)
def test_the_shape_of_frames_is_known_before_they_are_read(dataset: str, events: dict, shape: tuple | None) -> None:
    block = PLAIN | {"dataset": dataset, "test": None, "events": T10 | events}
    assert validate(DataParams, block, "data").sample_shape == shape


def test_images_have_one_channel() -> None:
    assert validate(DataParams, PLAIN, "data").sample_shape == (1, 8, 8)
