"""Splits: disjoint, complete, exact in size, stratified, and impossible sizes refused."""

import numpy as np
import pytest

from pipeline.data.raw import RawDataset, Samples, numbered
from pipeline.data.splits import split_dataset
from snnprune.core.errors import DataError
from snnprune.data.events.frames import Binning


def dataset(per_class: list[int], test: Samples | None = None) -> RawDataset:
    """One 1 x 1 image per sample, whose pixel is the sample's number; classes in blocks."""
    labels = np.repeat(np.arange(len(per_class)), per_class).astype(np.int64)
    images = np.arange(len(labels), dtype=np.uint8)[:, None, None]
    return RawDataset("made", Samples(images, labels), test, 255, numbered(len(per_class)), source="a test")


OFFICIAL = Samples(np.full((4, 1, 1), 200, np.uint8), np.array([0, 1, 1, 0], np.int64))


def numbers(samples: Samples) -> list[int]:
    return samples.images.ravel().tolist()


def test_parts_are_disjoint_complete_and_stratified_and_keep_image_and_label_together() -> None:
    labels = dataset([50, 30, 20]).samples.labels
    parts = split_dataset(dataset([50, 30, 20]), validation=0.2, test=0.3, seed=0)  # shares of all samples
    together = numbers(parts.train) + numbers(parts.validation) + numbers(parts.test)
    assert sorted(together) == list(range(100))
    counts = ((parts.train, [25, 15, 10]), (parts.validation, [10, 6, 4]), (parts.test, [15, 9, 6]))
    for part, per_class in counts:
        assert part.labels.tolist() == labels[numbers(part)].tolist()
        assert np.bincount(part.labels).tolist() == per_class


def test_counts_are_exact_and_shares_rounded() -> None:
    parts = split_dataset(dataset([40, 41]), validation=7, test=0.2, seed=0)  # of 81: 16.2
    assert (len(parts.validation.labels), len(parts.test.labels), len(parts.train.labels)) == (7, 16, 58)


def test_train_is_mixed_although_the_source_is_sorted() -> None:
    labels = split_dataset(dataset([100, 100]), validation=0.1, test=0.1, seed=0).train.labels
    assert 0 < np.sum(labels[:80]) < 80


def test_seed_decides() -> None:
    first, again, other = (split_dataset(dataset([50, 50]), 0.2, 0.2, seed) for seed in (3, 3, 4))
    assert numbers(first.train) == numbers(again.train)
    assert sorted(numbers(first.validation)) != sorted(numbers(other.validation))


def test_official_test_split_is_left_as_it_is() -> None:
    parts = split_dataset(dataset([20, 20], OFFICIAL), validation=0.25, test=None, seed=0)
    assert parts.test is OFFICIAL
    assert len(parts.validation.labels) == 10
    assert len(parts.train.labels) == 30


REMEDY = "add samples, or, of an experiment, change the size of test in params.yaml$"  # `snnprune prune` has no size


@pytest.mark.parametrize(
    ("per_class", "validation", "test", "message"),
    [
        ([10, 10], 0.2, 0.01, "test: 0 of 20 samples; with 2 classes, expected 2 to 18"),
        ([10, 10], 1, 4, "validation: 1 of 16 samples; with 2 classes, expected 2 to 14"),
        ([10, 10], 0.8, 0.2, "validation: 16 of 16 samples; with 2 classes, expected 2 to 14"),
        ([10, 10], 0.2, 500, f"test: 500 of 20 samples; .* 2 to 18 .*; {REMEDY}"),
        ([10, 1], 0.2, 0.2, "test: class 1 has 1 sample left, expected at least 2 to split"),
        ([50, 2], 0.2, 0.1, rf"test: of class 1 \(2 samples\) none would be in test; {REMEDY}"),
        ([50, 2], 0.2, 0.9, r"test: of class 1 \(2 samples\) none would be in the rest"),
    ],
)
def test_impossible_sizes_are_refused(per_class: list[int], validation: float, test: float, message: str) -> None:
    with pytest.raises(DataError, match=message):
        split_dataset(dataset(per_class), validation, test, seed=0)


@pytest.mark.parametrize(
    ("per_class", "test_labels", "message"),
    [
        (
            [0, 20, 20],
            None,
            r"no samples to train on of class 0; found labels \(and samples\): 1 \(20\), 2 \(20\);",
        ),
        (
            [20, 20] + [0] * 253 + [4],
            None,
            r"of class 2, 3, 4, 5, 6 and 248 more; .* 1 \(20\), 255 \(4\);",
        ),
        (
            [20, 20],
            [0, 1, 9, 9],
            r"of class 9; .*: train: 0 \(20\), 1 \(20\); test: 0 \(1\), 1 \(1\), 9 \(2\);",
        ),
        (
            [20, 20],
            [255],
            r"of class 255; .*; test: 255 \(1\); allowed are two or more classes 0, 1, 2, ... with",
        ),
        ([20], None, r"made: only one class; found labels \(and samples\): 0 \(20\); allowed are two or more classes"),
        ([20], [0], r"made: only one class; found .*: train: 0 \(20\); test: 0 \(1\); "),
    ],
)
def test_classes_count_from_0_and_have_samples(per_class: list[int], test_labels: list | None, message: str) -> None:
    test = test_labels and Samples(np.zeros((len(test_labels), 1, 1), np.uint8), np.array(test_labels, np.int64))
    sizes = {"validation": 0.3, "test": None if test else 0.3}
    with pytest.raises(DataError, match=message):
        split_dataset(dataset(per_class, test), **sizes, seed=0)


def test_test_size_must_fit_the_dataset() -> None:
    with pytest.raises(DataError, match="made: has an official test split; remove the parameter test"):
        split_dataset(dataset([20, 20], OFFICIAL), validation=0.2, test=0.2, seed=0)
    with pytest.raises(DataError, match="made: has no official test split; give the parameter test"):
        split_dataset(dataset([20, 20]), validation=0.2, test=None, seed=0)


def test_frames_without_an_event_left_are_refused_with_what_was_lost() -> None:
    samples = Samples(np.zeros((40, 2, 1, 2, 2), np.uint8), np.arange(40) % 2)
    binning = Binning(np.ones(40), np.ones(40), late=0, outside=0, isolated=80, saturated=0, blank=40)
    raw = RawDataset("made", samples, None, 1, numbered(2), source="a test", binning={"train": binning})
    lost = r"\(train: 80 isolated events, 40 recordings without an event left\)"
    with pytest.raises(DataError, match=f"^made: every value of every frame is 0 {lost}; there is nothing to learn$"):
        split_dataset(raw, 0.2, 0.2, seed=0)


@pytest.mark.parametrize("value", [0, 255])
def test_images_that_are_all_alike_are_refused(value: int) -> None:
    samples = Samples(np.full((40, 2, 2), value, np.uint8), np.arange(40) % 2)
    raw = RawDataset("made", samples, None, 255, numbered(2), source="a test")
    with pytest.raises(DataError, match=f"^made: every pixel of every image is {value}; there is nothing to learn$"):
        split_dataset(raw, 0.2, 0.2, seed=0)
