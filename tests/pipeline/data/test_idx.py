"""The IDX reader: hand-made bytes in, the array they spell out, and every kind of damage named."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from snnprune.core.errors import DataError
from snnprune.data.idx import decompress, parse_images, parse_labels

PATH = Path("some/train-images-idx3-ubyte")

# Two images of 2 x 3 pixels, written out by hand: magic 00 00 08 03, sizes 2, 2, 3, then twelve bytes.
IMAGES = bytes.fromhex("00000803 00000002 00000002 00000003 000102030405 fafbfcfdfeff")
LABELS = bytes.fromhex("00000801 00000004 07 00 ff 02")


def test_images_are_read_in_row_major_order() -> None:
    images = parse_images(IMAGES, PATH)
    assert images.dtype == np.uint8
    assert images.tolist() == [[[0, 1, 2], [3, 4, 5]], [[250, 251, 252], [253, 254, 255]]]


def test_labels_are_unsigned_and_become_int64() -> None:
    labels = parse_labels(LABELS, PATH)
    assert labels.dtype == np.int64
    assert labels.tolist() == [7, 0, 255, 2]


def test_gzip_is_told_by_content_not_by_name() -> None:
    assert decompress(gzip.compress(IMAGES), Path("no-suffix")) == IMAGES
    assert decompress(IMAGES, Path("plain.gz")) == IMAGES


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (IMAGES[:-1], "truncated: 11 bytes after the header, expected 2 x 2 x 3 = 12"),
        (IMAGES[:16], "truncated: 0 bytes after the header, expected 2 x 2 x 3 = 12"),
        (IMAGES + b"\0", "trailing bytes: 13 bytes after the header, expected 2 x 2 x 3 = 12"),
        (IMAGES[:15], "15 bytes, expected a header of 16 bytes"),
        (b"", "starts with 0x, expected 0x00000803"),
        (b"<html>not found</html>", "starts with 0x3c68746d, expected 0x00000803"),
        (LABELS, "starts with 0x00000801, expected 0x00000803"),
        (b"\0\0\x0d" + IMAGES[3:], "starts with 0x00000d03, expected 0x00000803"),
        (bytes.fromhex("00000803 00000000 00000002 00000003"), "announces 0 x 2 x 3 elements"),
    ],
)
def test_damage_names_the_file_what_was_found_and_what_to_do(content: bytes, message: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_images(content, PATH)
    assert str(caught.value).startswith(f"{PATH}: ")
    assert message in str(caught.value)
    assert str(caught.value).endswith("replace it by an intact copy")


def test_images_are_not_labels() -> None:
    with pytest.raises(DataError, match="starts with 0x00000803, expected 0x00000801"):
        parse_labels(IMAGES, PATH)


@pytest.mark.parametrize("damage", ["cut", "flipped", "garbage after the header"])
def test_damaged_gzip_is_an_error(damage: str) -> None:
    intact = gzip.compress(IMAGES, mtime=0)
    damaged = {
        "cut": intact[:-5],
        "flipped": intact[:-6] + bytes([intact[-6] ^ 1]) + intact[-5:],  # the stored checksum
        "garbage after the header": intact[:10] + b"\xff" * 20,
    }[damage]
    with pytest.raises(DataError, match=f"{PATH}: damaged gzip file of {len(damaged)} bytes"):
        decompress(damaged, PATH)
