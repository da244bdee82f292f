"""Where pruning methods are: in `snnprune/methods/`, and a user's own in the folder `methods` where Python runs."""

import re
from pathlib import Path

from snnprune.core.errors import UserError

OWN = Path("methods")
PACKAGED = Path(__file__).parents[1] / "methods"
NAME = re.compile(r"(?!dense$)[a-z][a-z0-9_]*$")  # `dense` is no method in tables and file names


def method_files() -> dict[str, Path]:
    """Name -> file of every method, sorted; imports none."""
    found = {file.stem: file for folder in (OWN, PACKAGED) for file in folder.glob("*.py")}
    return {name: found[name] for name in sorted(found) if NAME.match(name)}


def file_of(name: str) -> Path:
    """The file of a method. Raises UserError: there is none (the message lists those there are), a user's own may not
    have that name, or has one of another."""
    files, own = method_files(), OWN / f"{name}.py"
    if name not in files:
        misnamed = f"; {own} is none: a name is of a-z, 0-9 and _, and not dense" if own.is_file() else ""
        raise UserError(f"unknown pruning method {name!r}; available are: {', '.join(files)}{misnamed}")
    if files[name] != own and own.is_file():
        raise UserError(f"{own}: {name} is a method of snnprune; give the file another name")
    return files[name]
