"""What there is to choose from: experiments, methods, datasets, targets, studies. Reads files; imports no method."""

import ast
from importlib.util import find_spec
from pathlib import Path

from pipeline.data.datasets import DATASETS
from pipeline.data.own import EVENTS_PREFIX, IDX_PREFIX
from snnprune.export.registry import TARGETS


def listing(in_project: bool) -> str:
    """One paragraph a kind, a line an entry; experiments and studies only in a project."""
    parts = {"methods": _described("snnprune.methods"), "datasets": _datasets(), "export targets": TARGETS}
    if in_project:
        from pipeline.io.params import matrix_of, read_params

        experiments = {
            name: f"{', '.join(entry.methods)}; seeds {', '.join(map(str, entry.seeds))}"
            for name, entry in matrix_of(read_params()).items()
        }
        parts = {"experiments": experiments, **parts, "studies": _described("pipeline.studies")}
    width = max(len(name) for entries in parts.values() for name in entries)
    return "\n\n".join(
        "\n".join([f"{kind}:", *(f"  {name:{width}} {text}".rstrip() for name, text in entries.items())])
        for kind, entries in parts.items()
    )


def _datasets() -> dict[str, str]:
    found = {}
    for name, entry in DATASETS.items():
        loader = getattr(entry.load, "func", entry.load)  # of a partial
        found[name] = f"Events: {entry.events.about}." if entry.events else _first_sentence(loader.__doc__)
    own = {
        f"{IDX_PREFIX}FOLDER": "Your own IDX files, plain or gzipped, named as MNIST's.",
        f"{EVENTS_PREFIX}PATH": "Your own recordings of events, or frames in one .npz; see `snnprune check-data`.",
    }
    return found | own


def _described(package: str) -> dict[str, str]:
    """Each module of a registry's package and the first sentence of its docstring."""
    found = {}
    for file in sorted(Path(find_spec(package).origin).parent.glob("[a-z]*.py")):
        found[file.stem] = _first_sentence(ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))))
    return found


def _first_sentence(docstring: str | None) -> str:
    return f"{' '.join((docstring or '').split())} ".partition(". ")[0].rstrip(" .") + "."
