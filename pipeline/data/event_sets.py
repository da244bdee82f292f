"""The named sets of events: which files hold them, where those lie, and that they are the published ones.

Of the folders of `sources.local_folders` the first that holds any file of the set is the one that counts. Where none
does, the files are downloaded from the URL that the library tonic knows, if that is installed.
"""

import hashlib
import importlib.util
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.data import sources
from pipeline.data.download import Sleep, download
from snnprune.core.errors import DataError

PARTS = ("train", "test")
DIGESTS = {32: hashlib.md5, 64: hashlib.sha256}  # by their hexadecimal digits


@dataclass(frozen=True)
class Part:
    """One split of a named set: the names that hold it, the first that is there counts; how many recordings it has; the
    digests of the files that were published so."""

    files: Sequence[str]
    count: int
    pins: Mapping[str, str]


@dataclass(frozen=True)
class EventSet:
    """A named set: `size` is the sensor's (height, width), `channels` are its polarities, `names` are the classes' in
    label order (empty: as found)."""

    name: str
    about: str
    size: tuple[int, int]
    folders: Sequence[str]
    parts: Mapping[str, Part]
    channels: int = 2
    names: tuple[str, ...] = ()
    tonic: str | None = None


def event_sets() -> dict[str, EventSet]:
    """Those of events.yaml, by name."""
    entries = YAML(typ="safe").load(Path(__file__).with_name("events.yaml"))
    return {name: _event_set(name, entry) for name, entry in entries.items()}


def _event_set(name: str, entry: dict[str, Any]) -> EventSet:
    parts = {part: Part(**entry.pop(part)) for part in PARTS}
    size, names = tuple(entry.pop("size")), tuple(entry.pop("names", ()))
    return EventSet(name, size=size, names=names, parts=parts, **entry)


def locate(events: EventSet, sleep: Sleep = time.sleep) -> dict[str, Path]:
    """Where each split lies, verified; downloaded into `data/raw/<name>` where no folder has any. Raises DataError:
    SNN_DATA_DIR names no folder, the first folder with a split lacks the other, a file is not the published one, or
    nothing was found and the download failed; says what to put where."""
    folders = sources.local_folders(*events.folders)
    for folder in folders:
        if found := _find(events, folder):
            break
    else:
        folder = _fetch(events, folders, sleep)
        found = _find(events, folder)
    for name, part in events.parts.items():
        if name not in found:
            there = ", ".join(path.name for path in found.values())
            raise DataError(f"{folder}: {there} is there, but not {events.name}'s {name} split; add {_either(part)}")
        verify(found[name], part)
    return found


def verify(path: Path, part: Part, name: str | None = None) -> None:
    """Compare a file's digest with the one published for `name` (None: its own). A folder has none, and neither has a
    file that was packed by others. Raises DataError: it differs."""
    expected = part.pins.get(name or path.name)
    if expected is None or not path.is_file():
        return
    digest = DIGESTS[len(expected)]
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, digest).hexdigest()
    if found != expected:
        kind = digest().name.upper()
        raise DataError(
            f"{path}: its {kind} is {found}, expected {expected}; the file is damaged, altered or another dataset's: "
            "replace it by an intact copy, or name it as dataset events:<file>"
        )


def _find(events: EventSet, folder: Path) -> dict[str, Path]:
    """The splits that the folder holds."""
    found = {}
    for name, part in events.parts.items():
        there = [folder / file for file in part.files if (folder / file).exists()]
        found |= {name: there[0]} if there else {}
    return found


def _either(part: Part) -> str:
    spellings = {file.lower(): file for file in reversed(part.files)}  # of train and Train the first
    return " or ".join(reversed(spellings.values()))


def _fetch(events: EventSet, looked_at: Sequence[Path], sleep: Sleep) -> Path:
    def fill(staging: Path) -> None:
        for name, part in events.parts.items():
            file, url = _tonic_file(events, name)
            if (staging / file).exists():  # verified by an earlier, interrupted call
                continue
            arrived = staging / f"{file}.unverified"
            download(url, arrived, sleep)
            verify(arrived, part, file)
            arrived.rename(staging / file)

    if events.tonic is None:
        raise DataError(_not_found(events, looked_at, "no URL is known"))
    if importlib.util.find_spec("tonic") is None:
        raise DataError(_not_found(events, looked_at, "the library tonic, which knows its URL, is not installed"))
    try:
        return sources.fetch_folder(events.name, lambda folder: len(_find(events, folder)) == len(PARTS), fill)
    except DataError as error:
        raise DataError(_not_found(events, looked_at, f"the download failed: {error}")) from error


def _tonic_file(events: EventSet, part: str) -> tuple[str, str]:
    """A split's file name and URL, as tonic has them."""
    import tonic.datasets  # imported here: it takes five seconds, and is needed for downloads alone

    about = getattr(tonic.datasets, events.tonic)
    file = getattr(about, f"{part}_filename", None) or getattr(about, f"{part}_zip")
    return file, getattr(about, f"{part}_url", None) or f"{about.base_url}{file}"


def _not_found(events: EventSet, looked_at: Sequence[Path], why: str) -> str:
    wanted = " and ".join(_either(part) for part in events.parts.values())
    variable = sources.ENVIRONMENT_VARIABLE
    first = (
        f"{events.name}: no folder holds it, and {why}; put {wanted} into {sources.RAW / events.name}, or into a "
        f"folder named by {variable}\nlooked at:"
    )
    return "\n  ".join([first, *sources.looked(looked_at)])
