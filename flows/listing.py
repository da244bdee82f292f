"""What there is to choose from: experiments, methods, datasets, studies. Reads files; imports no method."""

import ast
from importlib.util import find_spec
from pathlib import Path

from pipeline.data.datasets import DATASETS, IDX_PREFIX


def listing(in_project: bool) -> str:
    """One paragraph a kind, a line an entry; experiments and studies only in a project."""
    parts = {"methods": _described("snnprune.methods"), "datasets": _datasets()}
    if in_project:
        from pipeline.io.params import matrix_of, read_params

        experiments = {
            name: f"{', '.join(entry.methods)}; seeds {', '.join(map(str, entry.seeds))}"
            for name, entry in matrix_of(read_params()).items()
        }
        parts = {"experiments": experiments, **parts, "studies": _described("pipeline.studies")}
    return "\n\n".join(
        "\n".join([f"{kind}:", *(f"  {name:14} {text}".rstrip() for name, text in entries.items())])
        for kind, entries in parts.items()
    )


def _datasets() -> dict[str, str]:
    docs = {name: (entry.load.__doc__ or "published IDX files").partition("\n")[0] for name, entry in DATASETS.items()}
    return {**docs, f"{IDX_PREFIX}FOLDER": "your own IDX files, plain or gzipped, named as MNIST's"}


def _described(package: str) -> dict[str, str]:
    """Each module of a registry's package and the first sentence of its docstring."""
    found = {}
    for file in sorted(Path(find_spec(package).origin).parent.glob("[a-z]*.py")):
        words = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        found[file.stem] = words.partition("\n")[0]
    return found
