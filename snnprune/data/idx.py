"""The IDX file format of MNIST and its relatives: bytes in, array out, damage named.

An IDX file is a big-endian header - two zero bytes, the element type (0x08: unsigned byte), the number of dimensions,
one 32-bit size per dimension - followed by the elements in row-major order and nothing else.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snnprune.core.errors import DataError

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"
TRAIN_FILES = (TRAIN_IMAGES, TRAIN_LABELS)
TEST_FILES = (TEST_IMAGES, TEST_LABELS)

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
    present = [found.name for found in (find(folder, other) for other in (*TRAIN_FILES, *TEST_FILES)) if found]
    raise DataError(
        f"{folder / stem}[.gz]: missing; the folder holds {', '.join(present) or 'none of the IDX files'}; "
        "add the missing file"
    )


def decompress(raw: bytes, path: Path) -> bytes:
    """The plain content of a file's bytes; gzip is recognised by its first two bytes, not by the file's name.

    Raises:
        DataError: the gzip stream is damaged or ends early; names `path`.
    """
    if not raw.startswith(GZIP_MAGIC):
        return raw
    try:
        return gzip.decompress(raw)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"{path}: damaged gzip file of {len(raw)} bytes ({error}); replace it by an intact copy"
        ) from error


def parse_images(content: bytes, path: Path) -> NDArray[np.uint8]:
    """Images [N, H, W], uint8 and read-only, of the content of an IDX3 file.

    Raises:
        DataError: wrong magic, element type or number of dimensions, an empty dimension, or a length that is not what
            the header says; names `path`.
    """
    return _parse(content, path, dimensions=3)


def parse_labels(content: bytes, path: Path) -> NDArray[np.int64]:
    """Labels [N], int64, of the content of an IDX1 file.

    Raises:
        DataError: as `parse_images`.
    """
    return _parse(content, path, dimensions=1).astype(np.int64)


def require_pairs(images: NDArray[np.uint8], labels: NDArray[np.int64], images_path: Path, labels_path: Path) -> None:
    """Check that there is one label per image.

    Raises:
        DataError: the counts differ; names both files.
    """
    if len(images) != len(labels):
        raise DataError(
            f"{labels_path}: {len(labels)} labels, but {images_path} has {len(images)} images; expected one label per "
            "image: take both files from the same copy of the dataset"
        )


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
