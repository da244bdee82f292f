"""A file is written whole or not at all, and what the system refuses is an OSError whoever writes."""

import errno
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

from snnprune.core.files import replace

WRITERS: list[Callable[[Path], None]] = [
    lambda path: path.write_bytes(bytes(50_000)),
    lambda path: safetensors.numpy.save_file({"a": np.zeros(50_000, np.uint8)}, path),
    lambda path: safetensors.torch.save_file({"a": torch.zeros(50_000)}, path),
]


@pytest.fixture
def small_files() -> Iterator[None]:
    """None of more than 10,000 bytes can be written."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("write", WRITERS)
def test_what_cannot_be_written_leaves_the_file_as_it_was(
    write: Callable[[Path], None], tmp_path: Path, small_files: None
) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    with pytest.raises(OSError) as refused:
        replace(path, write)
    assert refused.value.errno == errno.EFBIG
    assert path.read_text() == "before"
