"""Finds, without running anything, the project's files that a module imports, directly or through others."""

import ast
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
PACKAGES = ("snnprune", "pipeline", "flows")


def imported_files(module: str) -> set[Path]:
    """Every project file behind `import module`, imports inside functions included, relative to the project.

    Files that hold nothing but a docstring (most `__init__.py`) are left out: editing them changes nothing.
    """
    found: set[Path] = set()
    waiting = [module]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen or name.split(".")[0] not in PACKAGES:
            continue
        seen.add(name)
        waiting.append(name.rpartition(".")[0])
        file = file_of(name)
        if file is not None:
            found.add(file)
            waiting += imported_names(file)
    return {file for file in found if not is_inert(file)}


def file_of(module: str) -> Path | None:
    """The file of a module or package, or None when the dotted name is no module (a function, say)."""
    base = Path(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if module and (PROJECT / candidate).is_file():
            return candidate
    return None


def imported_names(file: Path) -> list[str]:
    """Dotted names that a file imports, anywhere in it; `from a import b` gives both `a` and `a.b`."""
    names = []
    for node in ast.walk(ast.parse((PROJECT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def is_inert(file: Path) -> bool:
    """True for a file that holds nothing but a docstring."""
    body = ast.parse((PROJECT / file).read_text(encoding="utf-8")).body
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)
