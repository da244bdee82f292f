"""Finds, without running anything, the project's files that a module imports, directly or through others."""

import ast
from functools import cache
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


@cache
def imported_names(file: Path) -> tuple[str, ...]:
    """Dotted names that a file imports, anywhere in it; `from a import b` gives both `a` and `a.b`.

    What is imported for type checkers only is left out.
    """
    names = []
    waiting: list[ast.AST] = [ast.parse((PROJECT / file).read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif not _is_for_type_checkers(node):
            waiting += ast.iter_child_nodes(node)
    return tuple(names)


@cache
def is_inert(file: Path) -> bool:
    """True for a file that computes nothing: a docstring, and in a package names that are loaded when they are used."""
    body = ast.parse((PROJECT / file).read_text(encoding="utf-8")).body
    return all(_is_text(node) or (file.name == "__init__.py" and _is_lazy(node)) for node in body)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _is_lazy(node: ast.AST) -> bool:
    """Whether a statement belongs to a package whose names are loaded by `__getattr__`."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        name = node.names[0].name if isinstance(node, ast.Import) else node.module
        return str(name).split(".")[0] not in PACKAGES
    if isinstance(node, ast.Assign):
        return [ast.unparse(target) for target in node.targets] == ["__all__"]
    return _is_for_type_checkers(node) or (
        isinstance(node, ast.FunctionDef) and node.name in ("__getattr__", "__dir__")
    )
