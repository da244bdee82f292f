"""Where the files of a dataset come from: local folders first, then public mirrors, always verified.

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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock
from ruamel.yaml import YAML

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
    """A published dataset: four IDX files, their digests, the base URLs (ending in /) that serve them gzipped, and the
    classes' names in label order (empty: they are numbers)."""

    name: str
    pins: Pins
    mirrors: tuple[str, ...]
    names: tuple[str, ...] = ()


def public_sets() -> list[PublicSet]:
    """Those of public.yaml."""
    entries = YAML(typ="safe").load(Path(__file__).with_name("public.yaml"))
    return [
        PublicSet(name, Pins(one["of"], one["sha256"]), tuple(one["mirrors"]), tuple(one.get("names", ())))
        for name, one in entries.items()
    ]


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


def local_folders(*names: str) -> list[Path]:
    """The folders a dataset of these names may lie in, in the order they are tried. Raises DataError: the environment
    variable SNN_DATA_DIR names something that is not a folder."""
    spellings = dict.fromkeys(one for name in names for one in (name, name.replace("_", "-"), name.replace("-", "_")))
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
    def fill(staging: Path) -> None:
        for stem in idx.ALL_FILES:
            _fetch_file(public, stem, staging, looked_at, sleep)

    return fetch_folder(public.name, lambda folder: all(idx.find(folder, stem) for stem in idx.ALL_FILES), fill)


def fetch_folder(name: str, is_complete: Callable[[Path], bool], fill: Callable[[Path], None]) -> Path:
    """The folder `data/raw/<name>`; where it is not complete, `fill` downloads into a folder beside it, which is then
    moved there at once. Raises DataError: it holds other files; and as `fill`."""
    target, staging = RAW / name, RAW / f".{name}.partial"
    RAW.mkdir(parents=True, exist_ok=True)
    with FileLock(RAW / f".{name}.lock"):  # experiments on the same dataset may start side by side
        if is_complete(target):
            return target
        if target.exists() and any(target.iterdir()):
            raise DataError(f"{target}: holds other files, but none of {name}'s; move them away to download it")
        staging.mkdir(exist_ok=True)
        fill(staging)
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
    first = (
        f"{public.name}: no folder holds its IDX files and the download failed; put {', '.join(idx.ALL_FILES)} "
        f"({form}) into {RAW / public.name}, or into a folder named by {ENVIRONMENT_VARIABLE}\nlooked at:"
    )
    return "\n  ".join([first, *looked(looked_at), *failures])


def looked(folders: Sequence[Path]) -> list[str]:
    """A line for each place that was looked at in vain."""
    unset = [] if os.environ.get(ENVIRONMENT_VARIABLE) else [f"{ENVIRONMENT_VARIABLE}: not set"]
    return [
        *unset,
        *(f"{folder}: {'none of the files' if folder.is_dir() else 'no such folder'}" for folder in folders),
    ]
