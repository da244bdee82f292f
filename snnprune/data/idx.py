"""The IDX file format of MNIST and its relatives: bytes in, array out, damage named. An IDX file is a big-endian header
- two zero bytes, the element type (0x08: unsigned byte), the number of dimensions, one 32-bit size per dimension -
followed by the elements in row-major order and nothing else."""

import gzip
import math
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from snnprune.core.errors import DataError

if TYPE_CHECKING:
    from snnprune.core.dataset import Split

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"
FILES = {"train": (TRAIN_IMAGES, TRAIN_LABELS), "test": (TEST_IMAGES, TEST_LABELS)}
ALL_FILES = (*FILES["train"], *FILES["test"])

GZIP_MAGIC = b"\x1f\x8b"
UNSIGNED_BYTE = 0x08
REPLACE_IT = "the file is damaged or not IDX; replace it by an intact copy"


def find(folder: Path, stem: str) -> Path | None:
    """The path of `<stem>.gz` or `<stem>` in `folder`, in this order."""
    return next((path for path in (folder / f"{stem}.gz", folder / stem) if path.is_file()), None)


def require_file(folder: Path, stem: str) -> Path:
    """The same, raising a DataError that names the file and those that are there."""
    if path := find(folder, stem):
        return path
    present = [found.name for found in (find(folder, other) for other in ALL_FILES) if found]
    raise DataError(
        f"{folder / stem}[.gz]: missing; the folder holds {', '.join(present) or 'none of the IDX files'}; "
        "add the missing file"
    )


def decompress(raw: bytes, path: Path) -> bytes:
    """The plain content of a file's bytes; gzip is recognised by its first two bytes, not by the file's name. Raises
    DataError: the gzip stream is damaged or ends early; names `path`."""
    if not raw.startswith(GZIP_MAGIC):
        return raw
    try:
        return gzip.decompress(raw)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        problem = f"damaged gzip file of {len(raw)} bytes ({error})"
        raise DataError(f"{path}: {problem}; replace it by an intact copy") from error


def parse_images(content: bytes, path: Path) -> NDArray[np.uint8]:
    """Images [N, H, W], uint8 and read-only, of the content of an IDX3 file. Raises DataError: wrong magic, element
    type or number of dimensions, an empty dimension, or a length that is not what the header says; names `path`."""
    return _parse(content, path, dimensions=3)


def parse_labels(content: bytes, path: Path) -> NDArray[np.int64]:
    """Labels [N], int64, of the content of an IDX1 file. Raises DataError: as `parse_images`."""
    return _parse(content, path, dimensions=1).astype(np.int64)


def read_pair(
    folder: Path, part: Literal["train", "test"], read: Callable[[Path, str], bytes]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images [N, H, W] and labels [N] of a folder of MNIST's file names; `read(path, stem)` gives a file's content.
    Raises DataError: a file is missing or damaged, or the counts differ."""
    paths = [require_file(folder, stem) for stem in FILES[part]]
    contents = [read(path, stem) for path, stem in zip(paths, FILES[part], strict=True)]
    images, labels = parse_images(contents[0], paths[0]), parse_labels(contents[1], paths[1])
    if len(images) != len(labels):
        raise DataError(
            f"{paths[1]}: {len(labels)} labels, but {paths[0]} has {len(images)} images; expected one label per image: "
            "take both files from the same copy of the dataset"
        )
    return images, labels


def image_size(folder: Path) -> tuple[int, int] | None:
    """Height and width of a folder's training images, from the header alone; None where that cannot be read."""
    if (path := find(folder, TRAIN_IMAGES)) is None:
        return None
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            _, height, width = struct.unpack(">3I", stream.read(16)[4:])
    except (OSError, EOFError, struct.error, zlib.error):
        return None
    return height, width


def load_idx(folder: str | Path, part: Literal["train", "test"] = "train") -> "Split":
    """The images [N, 1, H, W] in 0..1 and labels [N] of a folder of IDX files, plain or gzipped, named as MNIST's.
    part: `train` (train-images-idx3-ubyte, train-labels-idx1-ubyte) or `test` (t10k-...). Raises DataError: a file is
    missing or damaged, the counts differ, or `part` is something else."""
    import torch  # the files' names alone are asked for without it

    from snnprune.core.dataset import Split

    if part not in FILES:
        raise DataError(f"part: allowed are {', '.join(FILES)}; found {part!r}")
    images, labels = read_pair(Path(folder), part, lambda path, _: decompress(path.read_bytes(), path))
    return Split(torch.from_numpy(images[:, None].astype(np.float32)) / 255, torch.from_numpy(labels))


def _parse(content: bytes, path: Path, dimensions: int) -> NDArray[np.uint8]:
    expected_magic = bytes((0, 0, UNSIGNED_BYTE, dimensions))
    if content[:4] != expected_magic:
        raise DataError(
            f"{path}: starts with 0x{content[:4].hex()}, expected 0x{expected_magic.hex()} (unsigned bytes, "
            f"{dimensions}-dimensional); {REPLACE_IT}"
        )
    offset = 4 + 4 * dimensions
    if len(content) < offset:
        raise DataError(f"{path}: {len(content)} bytes, expected a header of {offset} bytes; {REPLACE_IT}")
    shape = struct.unpack(f">{dimensions}I", content[4:offset])
    sizes = " x ".join(map(str, shape))
    if 0 in shape:
        raise DataError(f"{path}: the header announces {sizes} elements, expected at least one; {REPLACE_IT}")
    found, expected = len(content) - offset, math.prod(shape)
    if found != expected:
        problem = "truncated" if found < expected else "trailing bytes"
        raise DataError(
            f"{path}: {problem}: {found} bytes after the header, expected {sizes} = {expected}; {REPLACE_IT}"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=offset).reshape(shape)
