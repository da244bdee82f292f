"""Notes which stages were started and whose results are not checked yet, so that a killed flow leaves no such result.

DVC writes a result into dvc.lock by itself. A flow that dies before it has looked whether something was edited
meanwhile leaves its note; the next one finds it.
"""

from pathlib import Path
from urllib.parse import quote, unquote

from flows.lockfile import entry_text

FOLDER = Path(".dvc/tmp/unproven")


def note(root: Path, address: str) -> None:
    """The stage is about to be started; what dvc.lock says of it now is kept beside."""
    path = _path(root, address)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(entry_text(root, address), encoding="utf-8")
    partial.replace(path)


def is_recorded(root: Path, address: str) -> bool:
    """Whether dvc.lock has something else of a noted stage than when it was noted."""
    return entry_text(root, address) != _path(root, address).read_text(encoding="utf-8")


def settle(root: Path, address: str) -> None:
    """The stage was looked at."""
    _path(root, address).unlink(missing_ok=True)


def left(root: Path) -> list[str]:
    """The stages that are noted, sorted."""
    return sorted(unquote(path.stem) for path in (root / FOLDER).glob("*.txt"))


def _path(root: Path, address: str) -> Path:
    return root / FOLDER / f"{quote(address, safe='')}.txt"
