"""The real MNIST (conftest.py leaves this file out where SNN_DATA_DIR has none)."""

import os
from pathlib import Path

import numpy as np
import pytest

from pipeline.data import sources
from pipeline.data.datasets import RawDataset, load

MNIST_FOLDER = Path(os.environ.get(sources.ENVIRONMENT_VARIABLE, ""), "mnist")


@pytest.fixture(scope="module")
def mnist() -> RawDataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(sources.ENVIRONMENT_VARIABLE, str(MNIST_FOLDER))
        return load("mnist", {}, with_test=True)


def test_it_has_the_pinned_digests_and_the_official_counts(mnist: RawDataset) -> None:
    assert mnist.test is not None
    assert mnist.samples.images.shape == (60000, 28, 28)
    assert mnist.test.images.shape == (10000, 28, 28)
    assert np.bincount(mnist.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert (mnist.scale, mnist.names) == (255, tuple("0123456789"))
    assert (mnist.samples.images.dtype, mnist.samples.labels.dtype) == (np.uint8, np.int64)
    assert mnist.samples.images.max() == 255
