"""A folder or an archive as one thing: the files inside it, and their content, never unpacked to disk."""

import lzma
import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from snnprune.core.errors import DataError

TAR = re.compile(r"\.(tar(\.(gz|xz|bz2))?|tgz|txz|tbz2?)$", re.IGNORECASE)
ZIP = re.compile(r"\.zip$", re.IGNORECASE)
DAMAGE = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError, RuntimeError)


@dataclass(frozen=True)
class Tree:
    """What lies below one folder, of a disk or of an archive (`inside` it, a path with / or empty). `files` and
    `folders` are paths relative to it, sorted, hidden ones (and macOS's `__MACOSX`) left out."""

    path: Path
    inside: str
    files: tuple[str, ...]
    folders: tuple[str, ...]

    @property
    def name(self) -> str:
        """For errors: the path, and the place in the archive."""
        return self.where("")

    def where(self, file: str) -> str:
        """For errors: how a file of this tree is named."""
        place = "/".join(part for part in (self.inside, file) if part)
        if self.path.is_dir():
            return str(self.path / place)
        return f"{self.path}: {place}" if place else str(self.path)

    def at(self, folder: str) -> "Tree":
        """The tree below one of its folders."""
        start = f"{folder}/"
        files, folders = (
            tuple(name.removeprefix(start) for name in names if name.startswith(start))
            for names in (self.files, self.folders)
        )
        return Tree(self.path, f"{self.inside}/{folder}" if self.inside else folder, files, folders)

    def top(self) -> tuple[list[str], list[str]]:
        """Its folders and files that lie in no other folder."""
        folders, files = ([name for name in names if "/" not in name] for names in (self.folders, self.files))
        return folders, files

    def read(self, files: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Name and content of each of those files, in the order that is cheapest to read. Raises DataError: the
        archive is damaged, or a file cannot be read."""
        start = f"{self.inside}/" if self.inside else ""
        wanted = {f"{start}{file}" for file in files}
        for name, content in _reader(self.path)(self.path, wanted):
            yield name.removeprefix(start), content


def is_archive(path: Path) -> bool:
    """Whether the name is that of a tar or zip archive."""
    return bool(TAR.search(path.name) or ZIP.search(path.name))


def open_tree(path: Path) -> Tree:
    """The tree of a folder or an archive. Raises DataError: the archive is damaged, or holds a file twice; a folder
    cannot be read; or something is a link that would be left out or go unwatched."""
    if path.is_dir():
        return _tree(path, *_list_folder(path))
    status = path.stat()
    return _tree(path, *_list_archive(path, status.st_size, status.st_mtime_ns))


def _tree(path: Path, files: Iterable[str], folders: Iterable[str]) -> Tree:
    files = [name for name in files if not is_hidden(name)]
    parents = {str(parent) for name in files for parent in PurePosixPath(name).parents}
    found = {name for name in {*folders, *parents} if name != "." and not is_hidden(name)}
    return Tree(path, "", tuple(sorted(files)), tuple(sorted(found)))


def is_hidden(name: str) -> bool:
    """Whether a part of the path begins with a dot or is macOS's `__MACOSX`."""
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def _list_folder(path: Path) -> tuple[list[str], list[str]]:
    files, folders = [], []
    for folder, inside, names in os.walk(path, onerror=_refuse):
        place = Path(folder).relative_to(path)
        inside[:] = [name for name in inside if not is_hidden(name)]
        for name in inside:
            require_no_link(path / place / name)
        files += [(place / name).as_posix() for name in names]
        folders += [(place / name).as_posix() for name in inside]
    return files, folders


def require_no_link(folder: Path) -> None:
    """Raises DataError: the folder is a link. DVC does not look behind one, so a change there would go unnoticed."""
    if folder.is_symlink():
        raise DataError(f"{folder}: a link to a folder, which is not followed; put the folder itself there")


def _refuse(error: OSError) -> None:
    raise unreadable(error.filename, error) from error


def unreadable(where: Path | str, error: OSError) -> DataError:
    """What to raise for a file or folder that the system does not give."""
    return DataError(f"{where}: cannot be read ({os.strerror(error.errno)}); check it and its permissions")


@lru_cache(maxsize=8)  # a compressed tar is decompressed for it; asked for again by each question about the archive
def _list_archive(path: Path, size: int, changed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    files: list[str] = []
    folders: list[str] = []
    with _damage_named(path):
        if ZIP.search(path.name):
            with zipfile.ZipFile(path) as archive:
                for entry in archive.infolist():
                    (folders if entry.is_dir() else files).append(_clean(entry.filename))
        else:
            with tarfile.open(path) as archive:
                for member in archive:
                    name = _clean(member.name)
                    if (member.issym() or member.islnk()) and not is_hidden(name):
                        raise DataError(
                            f"{path}: {name} is a link to {member.linkname}; expected files and folders alone: pack "
                            "with tar --dereference --hard-dereference"
                        )
                    if member.isdir() or member.isreg():
                        (folders if member.isdir() else files).append(name)
    if len(set(files)) < len(files):
        twice = next(name for name in files if files.count(name) > 1)
        raise DataError(f"{path}: holds {twice} {files.count(twice)} times; expected each file once")
    return tuple(files), tuple(folders)


Reader = Callable[[Path, set[str]], Iterator[tuple[str, bytes]]]


def _reader(path: Path) -> Reader:
    if path.is_dir():
        return _read_folder
    return _read_zip if ZIP.search(path.name) else _read_tar


def _read_folder(path: Path, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
    for name in sorted(wanted):
        try:
            yield name, (path / name).read_bytes()
        except OSError as error:
            raise unreadable(path / name, error) from error


def _read_zip(path: Path, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
    with _damage_named(path), zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            name = _clean(entry.filename)
            if name in wanted:
                with _damage_named(f"{path}: {name}"):
                    content = archive.read(entry)
                yield name, content


def _read_tar(path: Path, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
    with _damage_named(path), tarfile.open(path) as archive:
        for member in archive:
            name = _clean(member.name)
            if member.isreg() and name in wanted:
                with _damage_named(f"{path}: {name}"):
                    content = archive.extractfile(member).read()
                yield name, content


def _clean(name: str) -> str:
    return PurePosixPath(name).as_posix().lstrip("/")


@contextmanager
def _damage_named(where: Path | str) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise unreadable(where, error) from error
    except DAMAGE as error:
        reason = str(error).splitlines()[0].rstrip(":") if str(error) else type(error).__name__  # tar's has many lines
        raise DataError(f"{where}: damaged archive ({reason}); replace it by an intact copy") from error
