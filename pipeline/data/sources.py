"""Where the IDX files of a dataset come from: local folders first, then public mirrors, always verified.

Folders are tried in this order: `$SNN_DATA_DIR/<name>`, `$SNN_DATA_DIR` itself, `data/raw/<name>`. `-` and `_` in a
folder's name are the same. The first folder that holds any of the four files is the one that counts: if it is
incomplete or damaged, that is an error, never a reason to look further.

Pinned digests. mnist and fashion_mnist: SHA-256 of each file's *decompressed* content, so plain, original and
recompressed copies are all accepted. kmnist: published digests exist for the gzip files only, so just the
publisher's own .gz files are accepted; use `idx:<folder>` for another copy.
"""

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock

from pipeline.data.download import DownloadError, Sleep, download
from snnprune.core.errors import DataError
from snnprune.data import idx

ENVIRONMENT_VARIABLE = "SNN_DATA_DIR"
RAW = Path("data/raw")


@dataclass(frozen=True)
class Pins:
    """Expected SHA-256 digests (lower-case hexadecimal) by file stem; a stem that is not listed is not verified. `of`
    says what is hashed: the decompressed `content`, or the `gzip` file itself."""

    of: Literal["content", "gzip"]
    sha256: Mapping[str, str]


@dataclass(frozen=True)
class PublicSet:
    """A published dataset: four IDX files, their digests, and the base URLs (ending in /) that serve them gzipped."""

    name: str
    pins: Pins
    mirrors: tuple[str, ...]


def _pins(of: Literal["content", "gzip"], *digests: str) -> Pins:
    """Digests of train images, train labels, test images and test labels."""
    return Pins(of, dict(zip(idx.ALL_FILES, digests, strict=True)))


MNIST = PublicSet(
    "mnist",
    _pins(
        "content",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    mirrors=("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
)
FASHION_MNIST = PublicSet(
    "fashion_mnist",
    _pins(
        "content",
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
)
KMNIST = PublicSet(
    "kmnist",
    _pins(
        "gzip",
        "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
    ),
    mirrors=("https://codh.rois.ac.jp/kmnist/dataset/kmnist/", "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"),
)


def locate(public: PublicSet, sleep: Sleep = time.sleep) -> Path:
    """The folder that holds the set's four files; downloads them into `data/raw/<name>` when no folder does. Raises
    DataError: SNN_DATA_DIR names no folder, the first folder with any of the files lacks another, or nothing was found
    and no mirror delivered; lists every place looked at."""
    folders = local_folders(public.name)
    for folder in folders:
        if any(idx.find(folder, stem) for stem in idx.ALL_FILES):
            for stem in idx.ALL_FILES:
                idx.require_file(folder, stem)
            return folder
    return _fetch(public, folders, sleep)


def local_folders(name: str) -> list[Path]:
    """The folders a dataset may lie in, in the order they are tried. Raises DataError: the environment variable
    SNN_DATA_DIR names something that is not a folder."""
    spellings = dict.fromkeys((name, name.replace("_", "-"), name.replace("-", "_")))
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    if chosen and not Path(chosen).is_dir():
        raise DataError(f"{chosen}: no such folder; correct or unset the environment variable {ENVIRONMENT_VARIABLE}")
    elsewhere = [*(Path(chosen, spelling) for spelling in spellings), Path(chosen)] if chosen else []
    return [*elsewhere, *(RAW / spelling for spelling in spellings)]


def read_verified(path: Path, stem: str, pins: Pins) -> bytes:
    """The decompressed content of a file, after its digest was compared with the pinned one. Raises DataError: the file
    cannot be read, its gzip stream is damaged, or its digest is not the pinned one."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the file and its permissions") from error
    expected = pins.sha256.get(stem)
    if pins.of == "gzip" and expected:
        if not raw.startswith(idx.GZIP_MAGIC):
            raise DataError(
                f"{path}: not gzipped, expected the publisher's {stem}.gz (SHA-256 {expected}), the only form that "
                f"can be verified; put that file there, or name the folder as dataset idx:{path.parent}"
            )
        _require_digest(raw, expected, path, "its")
    content = idx.decompress(raw, path)
    if pins.of == "content" and expected:
        _require_digest(content, expected, path, "its decompressed content's")
    return content


def _require_digest(data: bytes, expected: str, path: Path, whose: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise DataError(
            f"{path}: {whose} SHA-256 is {found}, expected {expected}; the file is damaged, altered or another "
            "dataset's: replace it by an intact copy, or delete the copy in that folder to use the next source"
        )


def _fetch(public: PublicSet, looked_at: Sequence[Path], sleep: Sleep) -> Path:
    """Download the four files beside `data/raw/<name>`, verify them, then move the whole folder there at once."""
    target = RAW / public.name
    staging = RAW / f".{public.name}.partial"
    RAW.mkdir(parents=True, exist_ok=True)
    with FileLock(RAW / f".{public.name}.lock"):  # experiments on the same dataset may start side by side
        if all(idx.find(target, stem) for stem in idx.ALL_FILES):
            return target
        if target.exists() and any(target.iterdir()):
            raise DataError(f"{target}: holds other files, but none of {public.name}'s; move them away to download it")
        staging.mkdir(exist_ok=True)
        for stem in idx.ALL_FILES:
            _fetch_file(public, stem, staging, looked_at, sleep)
        if target.exists():
            target.rmdir()
        os.replace(staging, target)
    return target


def _fetch_file(public: PublicSet, stem: str, staging: Path, looked_at: Sequence[Path], sleep: Sleep) -> None:
    path = staging / f"{stem}.gz"
    if path.exists():  # verified by an earlier, interrupted call
        return
    arrived = staging / f"{stem}.gz.unverified"
    failures = []
    for mirror in public.mirrors:
        try:
            download(f"{mirror}{stem}.gz", arrived, sleep)
            read_verified(arrived, stem, public.pins)
        except DataError as error:
            known = isinstance(error, DownloadError)  # it names the URL
            failures.append(str(error) if known else f"{mirror}{stem}.gz: {error}")
        else:
            os.replace(arrived, path)
            return
    raise DataError(_not_found(public, looked_at, failures))


def _not_found(public: PublicSet, looked_at: Sequence[Path], failures: Sequence[str]) -> str:
    form = "the publisher's .gz" if public.pins.of == "gzip" else "plain or .gz"
    unset = [] if os.environ.get(ENVIRONMENT_VARIABLE) else [f"{ENVIRONMENT_VARIABLE}: not set"]
    looked = [f"{folder}: {'none of the files' if folder.is_dir() else 'no such folder'}" for folder in looked_at]
    first = (
        f"{public.name}: no folder holds its IDX files and the download failed; put {', '.join(idx.ALL_FILES)} "
        f"({form}) into {RAW / public.name}, or into a folder named by {ENVIRONMENT_VARIABLE}\nlooked at:"
    )
    return "\n  ".join([first, *unset, *looked, *failures])
