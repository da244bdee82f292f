"""Stratified train, validation and test splits: every class has the same share in each part, up to rounding."""

from dataclasses import dataclass

import numpy as np

from pipeline.data.datasets import RawDataset, Samples
from snnprune.core.errors import DataError


@dataclass(frozen=True)
class Splits:
    """The three disjoint parts of a dataset."""

    train: Samples
    validation: Samples
    test: Samples


def split_dataset(raw: RawDataset, validation: float | int, test: float | int | None, seed: int) -> Splits:
    """Split off the test samples (unless the dataset has official ones), then the validation samples. A float is a
    share of all samples outside an official test split, an int a count. An official test split is kept as it is; the
    other parts come in the order that the seed gives. Raises DataError: `test` given although there is an official test
    split, or missing although there is none; a part that would be empty or lack a class; or labels that are not those
    of two or more classes, counted from 0, each with samples to train on, or images that are all alike."""
    _require_classes(raw)
    if (value := raw.samples.images.min()) == raw.samples.images.max():
        raise DataError(f"{raw.name}: every pixel of every image is {value}; there is nothing to learn")
    total = len(raw.samples.labels)
    if raw.test is None:
        if test is None:
            raise DataError(f"{raw.name}: has no official test split; give the parameter test, a share or a count")
        rest, held_out = _split_off(raw.samples, count_of(test, total), seed, "test")
    else:
        if test is not None:
            raise DataError(f"{raw.name}: has an official test split; remove the parameter test (found {test})")
        rest, held_out = raw.samples, raw.test
    train, held_in = _split_off(rest, count_of(validation, total), seed, "validation")
    return Splits(train=train, validation=held_in, test=held_out)


def _require_classes(raw: RawDataset) -> None:
    parts = {"": raw.samples} if raw.test is None else {"train: ": raw.samples, "test: ": raw.test}
    present = np.unique(raw.samples.labels)
    absent = np.setdiff1d(np.concatenate([part.labels for part in parts.values()] + [np.arange(present[-1])]), present)
    if len(absent) == 0 and len(present) > 1:
        return
    few = ", ".join(map(str, absent[:5])) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
    counted = {name: zip(*np.unique(part.labels, return_counts=True), strict=True) for name, part in parts.items()}
    found = "; ".join(name + ", ".join(f"{label} ({n})" for label, n in part) for name, part in counted.items())
    raise DataError(
        f"{raw.name}: {f'no samples to train on of class {few}' if len(absent) else 'only one class'}; found labels "
        f"(and samples): {found}; allowed are two or more classes 0, 1, 2, ... with samples of each: correct the labels"
    )


def count_of(size: float | int, total: int) -> int:
    """A share of `total` as a rounded count of samples; a count stays what it is."""
    return round(size * total) if isinstance(size, float) else size


def _split_off(samples: Samples, count: int, seed: int, part: str) -> tuple[Samples, Samples]:
    """The remaining samples, and `count` samples split off them."""
    from sklearn.model_selection import train_test_split  # imported here: it takes a second

    classes, sizes = np.unique(samples.labels, return_counts=True)
    if sizes.min() < 2:
        few = f"class {classes[sizes.argmin()]} has {sizes.min()} sample left, expected at least 2 to split"
        raise DataError(f"{part}: {few}; add samples")
    least, most = len(classes), len(samples.labels) - len(classes)
    if not least <= count <= most:
        allowed = f"with {len(classes)} classes, expected {least} to {most} so that every class is in both parts"
        raise DataError(f"{part}: {count} of {len(samples.labels)} samples; {allowed}; change the size of {part}")
    kept, taken = train_test_split(
        np.arange(len(samples.labels)), test_size=count, stratify=samples.labels, random_state=seed
    )
    for indices, where in ((taken, part), (kept, "the rest")):
        absent = np.setdiff1d(samples.labels, samples.labels[indices])
        if len(absent):
            raise DataError(
                f"{part}: of class {absent[0]} ({np.sum(samples.labels == absent[0])} samples) none would be in "
                f"{where}; change the size of {part}, or add samples"
            )
    left, split_off = (Samples(samples.images[indices], samples.labels[indices]) for indices in (kept, taken))
    return left, split_off
