"""A user's own Python file: what it imports, in which DVC would see no change, and running it."""

import ast
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from snnprune.core.errors import UserError


def imports_of(file: Path) -> list[str]:
    """Dotted names of what a Python file imports, anywhere in it; `.name` from its own package. Raises UserError: it
    cannot be parsed."""
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{file}: {error}") from error
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f".{node.module}"] if node.module else [f".{alias.name}" for alias in node.names]
    return list(dict.fromkeys(names))


def lying_in(folder: Path, names: Iterable[str]) -> list[str]:
    """Which of these modules lie in `folder`, by their first names, this library apart."""
    found = dict.fromkeys(name.lstrip(".").partition(".")[0] for name in names)
    found.pop(__name__.partition(".")[0], None)
    return [name for name in found if _lies_in(folder, name)]


def _lies_in(folder: Path, name: str) -> bool:
    if (folder / f"{name}.py").is_file() or (folder / name / "__init__.py").is_file():
        return True
    if not any((folder / name).rglob("*.py")):
        return False
    spec = importlib.util.find_spec(name)
    return spec is None or spec.origin is None  # a folder gives way to an installed package


def run_file(file: Path, module: ModuleType) -> None:
    """Fill `module` by a Python file as it is now: Python's cache would take an edit within a second for none."""
    exec(compile(file.read_bytes(), str(file.resolve()), "exec"), module.__dict__)
