"""The datasets by name: each loader gives raw images and labels, not yet split or scaled."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.data import sources
from pipeline.data.event_sets import EventSet, event_sets
from pipeline.data.events import load_event_set, load_events
from pipeline.data.own import EVENTS_PREFIX, FORMS, IDX_PREFIX, own_path, own_prefix
from pipeline.data.raw import RawDataset, Samples, numbered
from snnprune.core.errors import DataError
from snnprune.data import idx
from snnprune.data.events.params import FramesParams

STEP = 1 / 4096  # of the synthetic features


@dataclass(frozen=True)
class Entry:
    """One dataset of the registry. `official_test` says whether it comes with a test split; `events` is what it is as a
    set of events, whose loader takes how they become frames (None: images); `size` is height and width of images."""

    load: Callable[..., RawDataset]
    official_test: bool
    events: EventSet | None = None
    size: tuple[int, int] | None = None


def load_digits() -> RawDataset:
    """scikit-learn's bundled digits: 1,797 images of 8 x 8 pixels in 0..16, 10 classes, no official test split."""
    from sklearn.datasets import load_digits as bundled_digits  # imported here: only this dataset needs it

    bunch = bundled_digits()
    samples = Samples(bunch.images.astype(np.uint8), bunch.target.astype(np.int64))
    return RawDataset("digits", samples, None, scale=16, names=numbered(10), source="scikit-learn (bundled)")


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
    return RawDataset("synthetic", samples, None, 1, numbered(10), source="scikit-learn (make_classification)")


def load_public(public: sources.PublicSet) -> RawDataset:
    """A published IDX dataset with its official test split. Raises DataError: see `sources.locate`."""
    raw = _read_folder(public.name, sources.locate(public), public.pins, with_test=True)
    return replace(raw, names=public.names) if public.names else raw


DATASETS: dict[str, Entry] = {
    "digits": Entry(load_digits, official_test=False, size=(8, 8)),
    **{one.name: Entry(partial(load_public, one), official_test=True, size=(28, 28)) for one in sources.public_sets()},
    "synthetic": Entry(load_synthetic, official_test=False, size=(1, 784)),
    **{one.name: Entry(partial(load_event_set, one), official_test=True, events=one) for one in event_sets().values()},
}
CHOICES = ", ".join([*DATASETS, *FORMS.values()])


def registered(dataset: str) -> str | None:
    """The registry's own spelling of a name in which `-` and `_` may be others, or left out; None: no such dataset."""
    plain = dataset.lower().replace("-", "").replace("_", "")
    return next((name for name in DATASETS if name.replace("-", "").replace("_", "") == plain), None)


def is_events(dataset: str) -> bool:
    """Whether it is a named set of events or a user's own, which become frames."""
    if (name := registered(dataset)) is not None:
        return DATASETS[name].events is not None
    return own_prefix(dataset) == EVENTS_PREFIX


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


def load(dataset: str, sha256: Mapping[str, str], with_test: bool, events: FramesParams | None = None) -> RawDataset:
    """The dataset of that name, of an `idx:<folder>` or an `events:<folder or file>`. sha256 concerns the second
    (`load_folder`), with_test the last two, events (how recordings become frames) sets of events. Raises DataError:
    unknown name, or missing, damaged or altered files."""
    if (path := own_path(dataset)) and own_prefix(dataset) == IDX_PREFIX:
        return load_folder(path, sha256, with_test)
    if path:
        return load_events(path, events, with_test)
    if (name := registered(dataset)) is None:
        raise DataError(f"{dataset}: unknown dataset; choose one of {CHOICES}")
    entry = DATASETS[name]
    return entry.load(events) if entry.events else entry.load()


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
    return RawDataset(name, samples, test, 255, numbered(int(labels.max()) + 1), source=str(folder))
