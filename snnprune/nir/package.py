"""The package `nir`: imported where it is needed, and its files opened with errors that name what is wrong."""

from pathlib import Path
from types import ModuleType
from typing import Any

from snnprune.core.errors import UserError


class NirError(UserError, ValueError):
    """A NIR file or graph is damaged, or holds what cannot be represented."""


def load_nir() -> ModuleType:
    """The package `nir`. Raises UserError: it is not installed."""
    try:
        import nir
    except ImportError as error:
        raise UserError("NIR files need the package nir, which is not installed: pip install nir") from error
    return nir


def open_graph(path: Path) -> Any:
    """The `nir.NIRGraph` of a file. Raises NirError: there is no such file, it is no NIR file, a node is of a kind that
    `nir` does not know, or shapes do not fit each other."""
    nir = load_nir()
    if not path.is_file():
        raise NirError(f"{path}: no such file")
    try:
        if unknown := {name: kind for name, kind in _kinds(path).items() if not hasattr(nir, kind)}:
            found = ", ".join(f"{name} ({kind})" for name, kind in unknown.items())
            raise NirError(f"{path}: nir {nir.__version__} knows no such node: {found}")
        return nir.read(path)
    except (OSError, KeyError, TypeError, ValueError, AssertionError) as error:
        if isinstance(error, NirError):
            raise
        raise NirError(f"{path}: not a readable NIR file ({type(error).__name__}: {error})") from error


def _kinds(path: Path) -> dict[str, str]:
    """Node -> kind, as the file says, those of graphs inside the graph too."""
    import h5py

    found: dict[str, str] = {}

    def see(name: str, item: Any) -> None:
        parent, _, last = name.rpartition("/")
        if last == "type" and "metadata" not in parent.split("/"):
            found[parent.removeprefix("nodes/").replace("/nodes/", ".") or "graph"] = item[()].decode()

    with h5py.File(path) as file:
        file["node"].visititems(see)
    return found
