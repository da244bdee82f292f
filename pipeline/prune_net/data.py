"""The data that a network of the user's own is pruned and tested on: read, scaled, split, normalised."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import torch

from pipeline.check_data.check import are_recordings, dataset_name, has_test
from pipeline.data.datasets import is_events, load
from pipeline.data.raw import Samples
from pipeline.data.splits import split_dataset
from snnprune.core.dataset import SPLITS, Split
from snnprune.core.errors import UserError
from snnprune.core.own_model import Normalize
from snnprune.data.events.params import FramesParams

VALIDATION, TEST = 0.1, 0.2  # shares that are split off; the latter where the data have no test set


@dataclass(frozen=True)
class OwnData:
    """Splits as the network takes them, and what to tell. names: of the classes. digest: SHA-256 of all samples."""

    train: Split
    validation: Split
    test: Split
    names: tuple[str, ...]
    digest: str
    notes: tuple[str, ...] = ()

    def to(self, device: torch.device) -> "OwnData":
        """The same on another device."""
        return replace(self, **{part: getattr(self, part).to(device) for part in SPLITS})


def read(data: str, timesteps: int | None, normalize: Normalize | None) -> OwnData:
    """data: `idx:<folder>`, `events:<folder or file>`, a file `.npz`, or the name of a dataset. The split is the same
    for every seed. Raises UserError: the data cannot be used; recordings of events without `timesteps`, or to be
    normalised."""
    dataset = dataset_name(data)
    events = None
    if is_events(dataset) and normalize:
        raise UserError(f"normalize: is for images; {data} holds frames of events, which are counts")
    if are_recordings(dataset):
        if timesteps is None:
            raise UserError(f"timesteps: missing; {data} holds recordings of events, cut into that many frames")
        events = FramesParams(timesteps=timesteps)
    with_test = has_test(dataset)
    raw = load(dataset, {}, with_test, events)
    parts = split_dataset(raw, VALIDATION, None if with_test else TEST, 0)
    digest = hashlib.sha256()
    for part in (parts.train, parts.validation, parts.test):
        digest.update(np.ascontiguousarray(part.images).data)
        digest.update(part.labels.data)
    train, validation, test = (
        _split(part, raw.scale, normalize) for part in (parts.train, parts.validation, parts.test)
    )
    note = f"{data} has no test set: {100 * TEST:g} % of the samples are one; did the network see them in training?"
    return OwnData(train, validation, test, raw.names, digest.hexdigest(), () if with_test else (note,))


def _split(part: Samples, scale: int, normalize: Normalize | None) -> Split:
    images, labels = torch.from_numpy(np.array(part.images)), torch.from_numpy(part.labels)
    if images.dim() == 5:
        return Split(images, labels)
    images = (images[:, None] if images.dim() == 3 else images).float() / scale
    if normalize:
        images = normalize.of(images)
    return Split(images, labels)
