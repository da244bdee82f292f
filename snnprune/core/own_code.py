"""A user's own Python file, in which DVC sees a change, and what it imports, in which DVC sees none."""

import ast
from pathlib import Path

from snnprune.core.errors import UserError


def imported_from(folder: Path, file: Path) -> list[str]:
    """What a Python file imports that lies in `folder`, this library apart. Raises UserError: it cannot be parsed."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{file}: {error}") from error
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [node.module] if node.module and not node.level else [alias.name for alias in node.names]
    found = dict.fromkeys(name.partition(".")[0] for name in names)
    found.pop(__name__.partition(".")[0], None)
    return [name for name in found if (folder / f"{name}.py").is_file() or (folder / name / "__init__.py").is_file()]
