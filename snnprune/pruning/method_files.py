"""Where pruning methods are: in `snnprune/methods/`, and a user's own in the folder `methods` where Python runs."""

from pathlib import Path

from snnprune.core.errors import UserError

OWN = Path("methods")
PACKAGED = Path(__file__).parents[1] / "methods"


def method_files() -> dict[str, Path]:
    """Name -> file of every method, sorted; imports none. Raises UserError: an own one has the name of another."""
    packaged, own = (_files(folder) for folder in (PACKAGED, OWN))
    if both := sorted(packaged.keys() & own.keys()):
        raise UserError(f"{own[both[0]]}: {both[0]} is a method of snnprune; give the file another name")
    return dict(sorted({**packaged, **own}.items()))


def _files(folder: Path) -> dict[str, Path]:
    return {file.stem: file for file in folder.glob("[a-z]*.py")}
