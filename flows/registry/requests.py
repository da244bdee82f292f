"""Promotions that could not be carried out because MLflow could not be used: a small file each, beside the store."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from flows.tracking.location import project_of, store_folder
from pipeline.io.files import read_json, write_json
from pipeline.promotion.params import PromotionParams
from snnprune.core.schema import Block, ParamsError, validate

FOLDER = "promotions"


class Request(Block):
    """What was asked, of the results in `folder`, relative to the project (a scheduled run has a worktree)."""

    experiment: str
    suffix: str
    folder: str
    params: PromotionParams


@dataclass(frozen=True)
class Kept:
    """A request, its file, and the stamp of that file, which changes whenever it is written."""

    file: Path
    request: Request
    stamp: tuple[int, int]


def keep(root: Path, experiment: str, suffix: str, params: PromotionParams) -> Path:
    """Write a request, in the place of an earlier one of the same experiment and model; its file."""
    folder = root.relative_to(project_of(root)).as_posix()
    request = Request(experiment=experiment, suffix=suffix, folder=folder, params=params)
    file = store_folder(root) / FOLDER / f"{experiment}{suffix}-to-{params.model or experiment + suffix}.json"
    with _lock(root):
        write_json(file, request.model_dump())
    return file


def kept(root: Path) -> list[Kept]:
    """All requests, by name. Raises ParamsError: a file holds something else."""
    found = []
    for file in sorted((store_folder(root) / FOLDER).glob("*.json")):
        with suppress(FileNotFoundError):  # another process has carried it out
            found.append(_read(root, file))
    return found


def remove(root: Path, one: Kept) -> None:
    """Remove a request that was carried out. One that was written in its place meanwhile stays."""
    with _lock(root):
        if one.file.exists() and _stamp(one.file) == one.stamp:
            one.file.unlink()


def shown(root: Path, file: Path) -> str:
    """The path of a request for people: relative to the project, if it is in there."""
    project = project_of(root)
    return str(file.relative_to(project) if file.is_relative_to(project) else file)


def _read(root: Path, file: Path) -> Kept:
    stamp = _stamp(file)  # first: if the file is written now, the request counts as older
    try:
        return Kept(file, validate(Request, read_json(file), "request"), stamp)
    except ValueError as error:  # no JSON, or another one
        raise ParamsError(f"{shown(root, file)}: correct or delete it: {error}") from error


def _stamp(file: Path) -> tuple[int, int]:
    return file.stat().st_ino, file.stat().st_mtime_ns


def _lock(root: Path) -> FileLock:
    """Held while a file is written or removed, so that none is removed that was written a moment ago."""
    return FileLock(store_folder(root) / "requests.lock")
