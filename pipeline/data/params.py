"""The schema of `experiments.<name>.data` in params.yaml."""

import re
from typing import Annotated, Any

import pydantic

from pipeline.data.datasets import CHOICES, DATASETS
from pipeline.data.own import IDX_PREFIX, own_folder
from snnprune.core.schema import Block
from snnprune.data.idx import ALL_FILES


def _size(value: Any) -> Any:
    share = isinstance(value, float) and 0.0 < value < 1.0
    count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if not (share or count):
        raise ValueError("allowed are a share between 0 and 1 (0.2) or a whole number of samples (5000)")
    return value


Size = Annotated[float | int, pydantic.BeforeValidator(_size)]


class DataParams(Block):
    """Which dataset, and how it is split.

    dataset: digits, mnist, fashion_mnist, kmnist, synthetic (generated: 784 features, 10 classes), or `idx:<folder>`
        (relative to the project's root folder, or absolute), of which DVC notices every change.
    validation: share (of all samples outside an official test split) or count of the validation samples.
    test: likewise for the test samples; required without an official test split and refused with one. An
        `idx:<folder>` has one when it holds t10k files, and `test` must be absent then.
    split_seed: seed of the stratified split.
    sha256: for `idx:<folder>`: file stem -> SHA-256 of the decompressed content; what is listed is verified.
    """

    dataset: str
    validation: Size
    test: Size | None = pydantic.Field(default=None, validate_default=True)
    split_seed: int = pydantic.Field(ge=0, lt=2**32)
    sha256: dict[str, str] = pydantic.Field(default_factory=dict)

    @pydantic.field_validator("dataset")
    @classmethod
    def _known(cls, dataset: str) -> str:
        if dataset not in DATASETS and not dataset.startswith(IDX_PREFIX):
            raise ValueError(f"unknown dataset; allowed are {CHOICES}")
        if dataset == IDX_PREFIX:
            raise ValueError(f"the folder is missing; write {IDX_PREFIX}<folder>")
        own_folder(dataset)
        return dataset

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
        if info.data.get("dataset") in DATASETS and sha256:
            raise ValueError(f"only for {IDX_PREFIX}<folder>; the digests of {info.data['dataset']} are built in")
        for stem, digest in sha256.items():
            if stem not in ALL_FILES:
                raise ValueError(f"unknown file {stem}; allowed are {', '.join(ALL_FILES)}")
            if not re.fullmatch("[0-9a-f]{64}", digest):
                raise ValueError(f"{stem}: a SHA-256 digest has 64 hexadecimal digits in lower case")
        return sha256
