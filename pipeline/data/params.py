"""The schema of `experiments.<name>.data` in params.yaml."""

import re
from typing import Annotated, Any

import pydantic

from pipeline.data.datasets import CHOICES, DATASETS, is_events, registered
from pipeline.data.own import FORMS, IDX_PREFIX, own_path, own_prefix
from snnprune.core.schema import Block
from snnprune.data.events.params import FramesParams
from snnprune.data.idx import ALL_FILES, image_size


def _size(value: Any) -> Any:
    share = isinstance(value, float) and 0.0 < value < 1.0
    count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if not (share or count):
        raise ValueError("allowed are a share between 0 and 1 (0.2) or a whole number of samples (5000)")
    return value


Size = Annotated[float | int, pydantic.BeforeValidator(_size)]


class DataParams(Block):
    """Which dataset, and how it is split.

    dataset: digits, mnist, fashion_mnist, kmnist, synthetic (generated: 784 features, 10 classes); of events: nmnist,
        nmnist-6789, shd, dvsgesture, pokerdvs (in all names `-` and `_` are the same); or your own, `idx:<folder>` or
        `events:<folder or file>` (relative to the project's root folder, or absolute), of which DVC notices every
        change.
    events: how recordings become frames (`FramesParams`); required for sets of events, refused for images.
    validation: share (of all samples outside an official test split) or count of the validation samples.
    test: likewise for the test samples; required without an official test split and refused with one. Your own data
        have one when they hold t10k files or a test split, and `test` must be absent then.
    split_seed: seed of the stratified split.
    sha256: for `idx:<folder>`: file stem -> SHA-256 of the decompressed content; what is listed is verified.
    """

    dataset: str
    events: FramesParams | None = pydantic.Field(default=None, validate_default=True)
    validation: Size
    test: Size | None = pydantic.Field(default=None, validate_default=True)
    split_seed: int = pydantic.Field(ge=0, lt=2**32)
    sha256: dict[str, str] = pydantic.Field(default_factory=dict)

    @property
    def sample_shape(self) -> tuple[int, ...] | None:
        """[C, H, W] of images or [T, C, H, W] of frames, where it is known before they are read: of your own recordings
        the sensor's size may be, but not whether there are two polarities."""
        if self.events is None:
            size = DATASETS[self.dataset].size if self.dataset in DATASETS else image_size(own_path(self.dataset))
            return size and (1, *size)
        if about := DATASETS[self.dataset].events if self.dataset in DATASETS else None:
            return self.events.shape(about.size, about.channels)
        is_known = self.events.size is not None and not self.events.polarity
        return self.events.shape(tuple(self.events.size), channels=1) if is_known else None

    @property
    def frame_size(self) -> tuple[int, int] | None:
        """(height, width) of the frames, where it is known before they are read."""
        if self.events is None:
            return None
        about = DATASETS[self.dataset].events if self.dataset in DATASETS else None
        size = about.size if about else self.events.size
        return self.events.shape((size[0], size[1]))[2:] if size else None

    @pydantic.field_validator("dataset")
    @classmethod
    def _known(cls, dataset: str) -> str:
        if prefix := own_prefix(dataset):
            if dataset == prefix:
                raise ValueError(f"the folder is missing; write {FORMS[prefix]}")
            own_path(dataset)
            return dataset
        if (name := registered(dataset)) is None:
            raise ValueError(f"unknown dataset; allowed are {CHOICES}")
        return name

    @pydantic.field_validator("events")
    @classmethod
    def _events_fit(cls, events: FramesParams | None, info: pydantic.ValidationInfo) -> FramesParams | None:
        if (dataset := info.data.get("dataset")) is None:
            return events
        if not is_events(dataset):
            if events is not None:
                sets = [name for name, entry in DATASETS.items() if entry.events]
                raise ValueError(f"{dataset} are images; allowed only for {', '.join(sets)}, events:<folder or file>")
            return events
        if events is None:
            raise ValueError(f"missing; {dataset} are events: say how they become frames, {{timesteps: 10}} for one")
        if about := DATASETS[dataset].events if dataset in DATASETS else None:
            if events.size not in (None, list(about.size)):
                height, width = about.size
                raise ValueError(f"size: the sensor of {dataset} has {height} x {width} pixels; remove this key")
            events.box(about.size)
        return events

    @pydantic.field_validator("test")
    @classmethod
    def _test_fits_dataset(cls, test: float | int | None, info: pydantic.ValidationInfo) -> float | int | None:
        entry = DATASETS.get(info.data.get("dataset", ""))
        if entry and entry.official_test and test is not None:
            raise ValueError(f"{info.data['dataset']} has an official test split; remove this key")
        if entry and not entry.official_test and test is None:
            raise ValueError(f"{info.data['dataset']} has no official test split; give a share (0.2) or a count (300)")
        return test

    @pydantic.field_validator("sha256")
    @classmethod
    def _pins_fit(cls, sha256: dict[str, str], info: pydantic.ValidationInfo) -> dict[str, str]:
        dataset = info.data.get("dataset", IDX_PREFIX)
        if sha256 and own_prefix(dataset) != IDX_PREFIX:
            built_in = f"; the digests of {dataset} are built in" if dataset in DATASETS else ""
            raise ValueError(f"only for {IDX_PREFIX}<folder>{built_in}")
        for stem, digest in sha256.items():
            if stem not in ALL_FILES:
                raise ValueError(f"unknown file {stem}; allowed are {', '.join(ALL_FILES)}")
            if not re.fullmatch("[0-9a-f]{64}", digest):
                raise ValueError(f"{stem}: a SHA-256 digest has 64 hexadecimal digits in lower case")
        return sha256
