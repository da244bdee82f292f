"""Stratified train, validation and test splits: every class has the same share in each part, up to rounding."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.events import losses
from pipeline.data.raw import RawDataset, Samples
from snnprune.core.errors import DataError

COPIED_BYTES = 1 << 26  # at a time, while samples are put into another order


@dataclass(frozen=True)
class Splits:
    """The three disjoint parts of a dataset."""

    train: Samples
    validation: Samples
    test: Samples


def split_dataset(raw: RawDataset, validation: float | int, test: float | int | None, seed: int) -> Splits:
    """Split off the test samples (unless the dataset has official ones), then the validation samples. A float is a
    share of all samples outside an official test split, an int a count. An official test split is kept as it is; the
    other parts come in the order that the seed gives. So that a large dataset is in memory once, its images are put
    into that order where they lie: do not use `raw` afterwards. Raises DataError: `test` given although there is an
    official test split, or missing although there is none; a part that would be empty or lack a class; or labels that
    are not those of two or more classes, counted from 0, each with samples to train on, or images that are all alike.
    """
    _require_classes(raw)
    if (value := raw.samples.images.min()) == raw.samples.images.max():
        lost = f" (train: {losses(raw.binning['train'])})" if "train" in raw.binning else ""
        values = "value of every frame" if raw.samples.images.ndim == 5 else "pixel of every image"
        raise DataError(f"{raw.name}: every {values} is {value}{lost}; there is nothing to learn")
    labels = raw.samples.labels
    rest, tests = np.arange(len(labels)), []
    if raw.test is None:
        if test is None:
            raise DataError(f"{raw.name}: has no official test split; give the parameter test, a share or a count")
        rest, held_out = _split_off(labels, rest, count_of(test, len(labels)), seed, "test")
        tests = [held_out]
    elif test is not None:
        raise DataError(f"{raw.name}: has an official test split; remove the parameter test (found {test})")
    parts = [*_split_off(labels, rest, count_of(validation, len(labels)), seed, "validation"), *tests]
    images, ends = _reordered(raw.samples.images, np.concatenate(parts)), np.cumsum([len(rows) for rows in parts])
    taken = [Samples(images[end - len(rows) : end], labels[rows]) for rows, end in zip(parts, ends, strict=True)]
    return Splits(*taken, *([raw.test] if raw.test else []))


def _require_classes(raw: RawDataset) -> None:
    parts = {"": raw.samples} if raw.test is None else {"train: ": raw.samples, "test: ": raw.test}
    present = np.unique(raw.samples.labels)
    absent = np.setdiff1d(np.concatenate([part.labels for part in parts.values()] + [np.arange(present[-1])]), present)
    if len(absent) == 0 and len(present) > 1:
        return
    named = dict(enumerate(raw.names))
    few = ", ".join(str(named.get(label, label)) for label in absent[:5].tolist())
    few += f" and {len(absent) - 5} more" if len(absent) > 5 else ""
    counted = {name: zip(*np.unique(part.labels, return_counts=True), strict=True) for name, part in parts.items()}
    found = "; ".join(
        name + ", ".join(f"{named.get(label, label)} ({n})" for label, n in part) for name, part in counted.items()
    )
    raise DataError(
        f"{raw.name}: {f'no samples to train on of class {few}' if len(absent) else 'only one class'}; found labels "
        f"(and samples): {found}; allowed are two or more classes 0, 1, 2, ... with samples of each: correct the labels"
    )


def count_of(size: float | int, total: int) -> int:
    """A share of `total` as a rounded count of samples; a count stays what it is."""
    return round(size * total) if isinstance(size, float) else size


def _split_off(
    labels: NDArray[np.int64], rows: NDArray[np.intp], count: int, seed: int, part: str
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows [n] of the samples that remain, and `count` rows split off them."""
    from sklearn.model_selection import train_test_split  # imported here: it takes a second

    there = labels[rows]
    classes, sizes = np.unique(there, return_counts=True)
    if sizes.min() < 2:
        few = f"class {classes[sizes.argmin()]} has {sizes.min()} sample left, expected at least 2 to split"
        raise DataError(f"{part}: {few}; add samples")
    least, most = len(classes), len(rows) - len(classes)
    if not least <= count <= most:
        allowed = f"with {len(classes)} classes, expected {least} to {most} so that every class is in both parts"
        raise DataError(f"{part}: {count} of {len(rows)} samples; {allowed}; {_remedy(part)}")
    kept, taken = train_test_split(rows, test_size=count, stratify=there, random_state=seed)
    for chosen, where in ((taken, part), (kept, "the rest")):
        absent = np.setdiff1d(there, labels[chosen])
        if len(absent):
            raise DataError(
                f"{part}: of class {absent[0]} ({np.sum(there == absent[0])} samples) none would be in "
                f"{where}; {_remedy(part)}"
            )
    return kept, taken


def _remedy(part: str) -> str:
    return f"add samples, or, of an experiment, change the size of {part} in params.yaml"


def _reordered(images: NDArray[Any], order: NDArray[np.intp]) -> NDArray[Any]:
    """Images [N, ...] in another order, a permutation of 0..N-1: the same array where it can be written, a few columns
    at a time."""
    if not (images.flags.writeable and images.flags.c_contiguous):
        return images[order]
    flat = images.reshape(len(images), -1)
    columns = max(1, COPIED_BYTES // (len(flat) * flat.itemsize))
    for start in range(0, flat.shape[1], columns):
        flat[:, start : start + columns] = flat[order, start : start + columns]
    return images
