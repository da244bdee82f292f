"""What one study's DVC stage depends on beside what all of them do, read from its file.

The file is parsed and not imported: a study imports torch, which takes seconds. DVC takes no list by template, so
dvc.yaml has a slot of one path or params key for each kind of thing in which studies differ.
"""

import ast
from pathlib import Path

from pipeline.io import paths
from snnprune.core.errors import UserError

FOLDER = Path(__file__).with_name("studies")
SHARED = ("core", "methods", "pruning", "snn", "training")  # what every study imports of snnprune
# A slot that a study does not use names a part of what it depends on anyway (DVC lists a path named twice twice).
UNUSED = {"code": "pipeline/io/entry.py", "nets": "pipeline/io/nets.py", "table": "pipeline/io/paths.py"}


def slots_of(experiment: str, study: str, folder: Path = FOLDER) -> dict[str, str]:
    """Slot -> path or params key: `code`, `nets`, `table`, `matrix` and `reads`.

    Raises:
        UserError: the file has no NEEDS, or more of something than there are slots.
    """
    file = folder / f"{study}.py"
    tree = ast.parse(file.read_text(encoding="utf-8"))
    needs = _assigned(tree, "NEEDS")
    if needs is None:
        raise UserError(f"{file}: no NEEDS; allowed are DENSE, NETS, or the name of a study whose table it reads")
    needs = needs.id.lower() if isinstance(needs, ast.Name) else ast.literal_eval(needs)
    reads = _assigned(tree, "READS") or ast.Dict(keys=[], values=[])
    blocks = [f"experiments.{experiment}.{ast.literal_eval(key)}" for key in reads.keys]
    code = _own_code(tree)
    for name, found in (("READS", blocks), ("imports beside the shared ones", code)):
        if len(found) > 1:
            raise UserError(f"{file}: {name}: one is allowed, dvc.yaml has one slot for it; found {', '.join(found)}")
    return {
        "code": code[0] if code else UNUSED["code"],
        "nets": UNUSED["nets"] if needs == "dense" else str(paths.RESULTS / experiment / "prune"),
        "table": UNUSED["table"] if needs in ("dense", "nets") else str(paths.table_file(experiment, needs)),
        "matrix": f"matrix.{experiment}.seeds" if needs == "dense" else f"matrix.{experiment}",
        "reads": blocks[0] if blocks else f"experiments.{experiment}.{study}",
    }


def _assigned(tree: ast.Module, name: str) -> ast.expr | None:
    """What a module assigns to `name` at its top."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == name for to in node.targets):
            return node.value
    return None


def _own_code(tree: ast.Module) -> list[str]:
    """The folders of snnprune that not every study imports, and the files of single methods."""
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("snnprune."):
            continue
        for alias in node.names:
            parts = [*node.module.split("."), alias.name]
            if parts[1] not in SHARED:
                found.add(f"snnprune/{parts[1]}")
            elif parts[1] == "methods" and (FOLDER.parents[1] / "snnprune/methods" / f"{parts[2]}.py").is_file():
                found.add(f"snnprune/methods/{parts[2]}.py")
    return sorted(found)
