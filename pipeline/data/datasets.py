"""The datasets by name: each loader gives raw images and labels, not yet split or scaled."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.data import sources
from pipeline.data.own import IDX_PREFIX, own_folder
from snnprune.core.errors import DataError
from snnprune.data import idx

STEP = 1 / 4096  # of the synthetic features


@dataclass(frozen=True)
class Samples:
    """Images [N, H, W] or [N, C, H, W] (uint8, or float32 features) and their labels [N] (int64)."""

    images: NDArray[np.uint8] | NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class RawDataset:
    """A dataset as published. `samples` are free to be split; `test` is the official test split, if there is one;
    `scale` is the pixel value that becomes 1.0; `classes` is the number of classes (labels lie in 0..classes-1);
    `source` says where it came from, for people."""

    name: str
    samples: Samples
    test: Samples | None
    scale: int
    classes: int
    source: str


@dataclass(frozen=True)
class Entry:
    """One dataset of the registry; `official_test` says whether it comes with a test split."""

    load: Callable[[], RawDataset]
    official_test: bool


def load_digits() -> RawDataset:
    """scikit-learn's bundled digits: 1,797 images of 8 x 8 pixels in 0..16, 10 classes, no official test split."""
    from sklearn.datasets import load_digits as bundled_digits  # imported here: only this dataset needs it

    bunch = bundled_digits()
    samples = Samples(bunch.images.astype(np.uint8), bunch.target.astype(np.int64))
    return RawDataset("digits", samples, None, scale=16, classes=10, source="scikit-learn (bundled)")


def load_synthetic() -> RawDataset:
    """Generated features [10000, 1, 784] in 0..1, 10 classes, no official test split: `make_classification`. These
    arguments, not the paper's, were chosen so that the network of the paper's author reaches about 92 % (on his own set
    87.0 %): 60 features tell the classes apart, 100 are linear combinations of those, 624 are noise. A feature x
    becomes x / 8 + 0.5, clipped to 0..1 (14 % of the values are): these are constants, nothing is fitted to any sample.
    Rounding to multiples of 1/4096 then hides the last bits of a machine's matrix product."""
    from sklearn.datasets import make_classification  # imported here: it takes a second

    features, labels = make_classification(
        n_samples=10_000,
        n_features=784,
        n_informative=60,
        n_redundant=100,
        n_classes=10,
        n_clusters_per_class=1,
        class_sep=2.0,
        flip_y=0.01,
        random_state=0,
    )
    images = np.round(np.clip(features / 8 + 0.5, 0.0, 1.0) / STEP) * STEP
    samples = Samples(images.astype(np.float32).reshape(-1, 1, 784), labels.astype(np.int64))
    return RawDataset("synthetic", samples, None, scale=1, classes=10, source="scikit-learn (make_classification)")


def load_public(public: sources.PublicSet) -> RawDataset:
    """A published IDX dataset with its official test split. Raises DataError: see `sources.locate`."""
    return _read_folder(public.name, sources.locate(public), public.pins, with_test=True)


DATASETS: dict[str, Entry] = {
    "digits": Entry(load_digits, official_test=False),
    **{one.name: Entry(partial(load_public, one), official_test=True) for one in sources.public_sets()},
    "synthetic": Entry(load_synthetic, official_test=False),
}
CHOICES = ", ".join([*DATASETS, f"{IDX_PREFIX}<folder>"])


def load_folder(folder: Path, sha256: Mapping[str, str], with_test: bool) -> RawDataset:
    """A user's own IDX files, plain or gzipped, named as MNIST's; `sha256` pins digests of decompressed contents.
    Raises DataError: no such folder, a missing or damaged file, a digest that differs, or t10k files although
    `with_test` is false (then the test samples are to be split off the train files)."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; correct the dataset {IDX_PREFIX}{folder}")
    if not with_test:
        for stem in filter(partial(idx.find, folder), idx.FILES["test"]):
            raise DataError(f"{folder / stem}: the folder has its own test split; remove the parameter test")
    # The folder's name and not its path: result files hold nothing that differs between machines.
    return _read_folder(IDX_PREFIX + folder.resolve().name, folder, sources.Pins("content", sha256), with_test)


def load(dataset: str, sha256: Mapping[str, str], with_test: bool) -> RawDataset:
    """The dataset of that name, or of an `idx:<folder>`; the other two arguments concern the latter (`load_folder`).
    Raises DataError: unknown name, or missing, damaged or altered files."""
    if folder := own_folder(dataset):
        return load_folder(folder, sha256, with_test)
    if dataset not in DATASETS:
        raise DataError(f"{dataset}: unknown dataset; choose one of {CHOICES}")
    return DATASETS[dataset].load()


def _read_folder(name: str, folder: Path, pins: sources.Pins, with_test: bool) -> RawDataset:
    def read(path: Path, stem: str) -> bytes:
        return sources.read_verified(path, stem, pins)

    samples = Samples(*idx.read_pair(folder, "train", read))
    test = Samples(*idx.read_pair(folder, "test", read)) if with_test else None
    if test and test.images.shape[1:] != samples.images.shape[1:]:
        found, expected = (" x ".join(map(str, part.images.shape[1:])) for part in (test, samples))
        raise DataError(
            f"{folder / idx.TEST_IMAGES}: images of {found} pixels, expected {expected} as in {idx.TRAIN_IMAGES}; take "
            "both files from the same dataset"
        )
    labels = np.concatenate([part.labels for part in (samples, test) if part])
    return RawDataset(name, samples, test, scale=255, classes=int(labels.max()) + 1, source=str(folder))
