"""A file is written whole or not at all, and what the system refuses is an OSError whoever writes."""

import errno
import os
import resource
import stat
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
    lambda path: torch.save({"a": torch.zeros(50_000)}, path),
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
    assert (refused.value.errno, refused.value.filename) == (errno.EFBIG, str(path))
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_who_may_read_it_is_said_by_the_umask(
    write: Callable[[Path], None], umask: int, mode: int, tmp_path: Path
) -> None:
    before = os.umask(umask)
    try:
        replace(tmp_path / "file", write)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


def test_an_error_of_the_writer_s_own_passes(tmp_path: Path) -> None:
    def broken(path: Path) -> None:
        raise RuntimeError("of its own")

    with pytest.raises(RuntimeError, match="of its own"):
        replace(tmp_path / "file", broken)
    assert not list(tmp_path.iterdir())
