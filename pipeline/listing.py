"""What there is to choose from: experiments, methods, datasets, targets, studies. Reads files; imports no method."""

import ast
from collections.abc import Iterable
from pathlib import Path

from pipeline import studies
from pipeline.data.datasets import DATASETS
from pipeline.data.own import EVENTS_PREFIX, IDX_PREFIX
from snnprune.export.registry import TARGETS
from snnprune.pruning.method_files import method_files


def listing(in_project: bool) -> str:
    """One paragraph a kind, a line an entry; experiments and studies only in a project."""
    parts = {"methods": _described(method_files().values()), "datasets": _datasets(), "export targets": TARGETS}
    if in_project:
        from pipeline.io.params import matrix_of, read_params

        experiments = {
            name: f"{', '.join(entry.methods)}; seeds {', '.join(map(str, entry.seeds))}"
            for name, entry in matrix_of(read_params()).items()
        }
        parts = {
            "experiments": experiments,
            **parts,
            "studies": _described(sorted(Path(studies.__file__).parent.glob("[a-z]*.py"))),
        }
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


def _described(files: Iterable[Path]) -> dict[str, str]:
    """The name of each module and the first sentence of its docstring."""
    return {file.stem: _by_itself(file) for file in files}


def _by_itself(file: Path) -> str:
    try:
        return _first_sentence(ast.get_docstring(ast.parse(file.read_bytes())))
    except (SyntaxError, ValueError) as error:
        return f"Cannot be read: {error}."


def _first_sentence(docstring: str | None) -> str:
    return f"{' '.join((docstring or '').split())} ".partition(". ")[0].rstrip(" .") + "."
