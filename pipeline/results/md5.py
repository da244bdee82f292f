"""DVC's hashes of files and folders, without importing DVC."""

import hashlib
import json
from pathlib import Path


class ContentChanged(RuntimeError):
    """A file or folder in the workspace is not the one that dvc.lock names."""


def require_content(path: Path, md5: str) -> None:
    """Check a file or folder against the MD5 in dvc.lock. Raises ContentChanged: it is missing or differs."""
    if not path.exists():
        raise ContentChanged(f"{path} is missing")
    found = _folder_md5(path) if path.is_dir() else _file_md5(path)
    if found != md5:
        raise ContentChanged(f"{path} differs from what dvc.lock names")


def _file_md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()


def _folder_md5(folder: Path) -> str:
    """DVC's hash of a folder: the MD5 of the JSON list of its files' MD5s and relative paths. Hidden files are none of
    it: what DVC and a stage at work leave beside results begins with a dot (.dvcignore)."""
    paths = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    files = {name.as_posix(): path for name, path in paths.items() if not any(p.startswith(".") for p in name.parts)}
    listing = [{"md5": _file_md5(files[name]), "relpath": name} for name in sorted(files)]
    return hashlib.md5(json.dumps(listing, sort_keys=True).encode()).hexdigest() + ".dir"
