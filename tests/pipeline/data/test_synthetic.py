"""The synthetic dataset: the same bytes everywhere, features in 0..1, and classes that can be told apart, not all."""

import hashlib

import numpy as np
import pytest

from pipeline.data.datasets import RawDataset, load

IMAGES_DIGEST = "6b25b3f204808ab7c2fc39412facdb610e58e112fd61850001c532f7ce41c713"
LABELS_DIGEST = "5acb29847cc68b2b461ae941d2bbc6e2fca9ffbf8925f44323f526f24963f5d7"


@pytest.fixture(scope="module")
def raw() -> RawDataset:
    return load("synthetic", {}, with_test=False)


def test_shape_range_and_classes(raw: RawDataset) -> None:
    images, labels = raw.samples.images, raw.samples.labels
    assert (images.shape, labels.shape) == ((10_000, 1, 784), (10_000,))
    assert (images.dtype, labels.dtype) == (np.float32, np.int64)
    assert (raw.name, raw.scale, raw.classes, raw.test) == ("synthetic", 1, 10, None)
    assert (images.min(), images.max()) == (0.0, 1.0)
    assert np.array_equal(images * 4096, np.round(images * 4096))
    assert 0.1 < np.mean((images == 0) | (images == 1)) < 0.2  # clipped
    assert np.all(np.abs(np.bincount(labels) - 1000) < 20)  # 1 % of the labels are drawn anew


def test_content_is_pinned(raw: RawDataset) -> None:
    assert hashlib.sha256(raw.samples.images.astype("<f4").tobytes()).hexdigest() == IMAGES_DIGEST
    assert hashlib.sha256(raw.samples.labels.astype("<i8").tobytes()).hexdigest() == LABELS_DIGEST


def test_a_linear_map_tells_most_classes_apart(raw: RawDataset) -> None:
    features = np.column_stack([np.ones(10_000), raw.samples.images[:, 0].astype(np.float64)])
    train, test = features[:8000], features[8000:]
    wanted = np.eye(10)[raw.samples.labels[:8000]]
    weights = np.linalg.solve(train.T @ train, train.T @ wanted)  # least squares
    assert 0.8 < np.mean((test @ weights).argmax(1) == raw.samples.labels[8000:]) < 0.97
