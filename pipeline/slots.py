"""What one experiment's `data` or `train` stage, or one study's, depends on beside what all of them do. DVC takes no
list by template, so dvc.yaml has a slot of one path or params key for each kind of thing in which stages differ. A slot
without use names a part of what the stage depends on anyway: DVC would list a path that is named twice twice. A study's
file is parsed and not imported: a study imports torch, which takes seconds."""

import ast
from pathlib import Path
from typing import Any

from pipeline.data.own import own_path
from pipeline.io import paths
from pipeline.io.matrix_file import OWN
from snnprune.core.errors import DataError, UserError
from snnprune.pruning import method_files

FOLDER = Path(__file__).with_name("studies")
SHARED = ("core", "pruning")  # what every study imports of snnprune
LOADERS = "pipeline/data/datasets.py"
METHODS = "snnprune/methods"
BUILDERS = ("snnprune/core/architecture.py", "snnprune/core/network.py", "snnprune/core/params.py")
ADAPTERS, NIR = "snnprune/adapters", "snnprune/nir"
IGNORED = ".dvcignore"  # in a project that holds no code; it says what of a folder is data


def source_of(experiment: str, data: Any, *, with_code: bool = True) -> str:
    """What a block `data` takes its samples from: the user's own folder or file, else the code that loads them. Raises
    UserError: see `own_path`."""
    try:
        path = own_path(data.get("dataset")) if isinstance(data, dict) else None
    except DataError as error:
        raise UserError(f"experiments.{experiment}.data.dataset: {error}") from error
    return path.as_posix() if path else (LOADERS if with_code else IGNORED)


def own_of(experiment: str, model: Any, seed: int, *, with_code: bool = True) -> dict[str, str]:
    """What a block `model` takes its network from, by slot: the code that runs it (in a project that has it), the
    user's module, and the weights of a seed; else the code that builds it."""
    module = model.get("module") if isinstance(model, dict) else None
    found = dict(zip(OWN, BUILDERS, strict=True))
    if not with_code:
        data = paths.data_folder(experiment) / "dataset.json"
        found = {"code": IGNORED, "module": IGNORED, "weights": str(data)}  # its dvc.yaml has no slot for code
    if not isinstance(module, str):
        return found
    is_nir = module.endswith(".nir")
    found |= {"code": ADAPTERS} if with_code else {}
    found["module"] = Path(module if is_nir else module.rpartition(":")[0]).as_posix()
    if is_nir and with_code:
        found["weights"] = NIR
    elif isinstance(checkpoint := model.get("checkpoint"), str):
        found["weights"] = Path(checkpoint.replace("{seed}", str(seed))).as_posix()
    return found


def method_of(method: str, *, with_code: bool = True) -> str:
    """The file of a method: the package's (where the project holds it), else the user's own, yet to come maybe."""
    own = method_files.OWN / f"{method}.py"
    if method_files.method_files().get(method, own) == own:
        return own.as_posix()
    return f"{METHODS}/{method}.py" if with_code else IGNORED


def slots_of(
    experiment: str, study: str, seed: int, *, with_code: bool = True, folder: Path = FOLDER
) -> dict[str, str]:
    """Slot -> path (`first` to `third`: code, pruned nets, a table) or params key (`matrix`, `block1`, `block2`).
    Those without use are of the dense net of `seed` for one. `with_code` is false for a project that holds no code of
    its own. Raises UserError: the file has no NEEDS, or more of something than there are slots."""
    file = folder / f"{study}.py"
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assigned = {
        name.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for name in node.targets
        if isinstance(name, ast.Name)
    }
    if (needs := assigned.get("NEEDS")) is None:
        raise UserError(f"{file}: no NEEDS; allowed are DENSE, NETS, or the name of a study whose table it reads")
    needs = needs.id.lower() if isinstance(needs, ast.Name) else ast.literal_eval(needs)
    own = _own_code(tree) if with_code else []
    if needs != "dense":
        own.append(str(paths.RESULTS / experiment / "prune"))
    if needs not in ("dense", "nets"):
        own.append(str(paths.table_file(experiment, needs)))
    reads = map(ast.literal_eval, assigned["READS"].keys) if "READS" in assigned else ()
    names = [*(["prune"] if needs == "dense" else []), *reads]
    dense = paths.train_folder(experiment, seed)
    unused = [paths.data_folder(experiment) / "dataset.json", dense / "curve.csv", dense / "metrics.json"]
    for what, found, most in (("code, nets and tables of its own", own, 3), ("blocks", names, 2)):
        if len(found) > most:
            raise UserError(f"{file}: {what}: dvc.yaml has room for {most}; found {', '.join(found)}")
    return {
        **dict(zip(("first", "second", "third"), [*own, *map(str, unused)], strict=False)),
        "matrix": f"matrix.{experiment}.seeds" if needs == "dense" else f"matrix.{experiment}",
        **{
            slot: f"experiments.{experiment}.{name}"
            for slot, name in zip(("block1", "block2"), [*names, study, study], strict=False)
        },
    }


def _own_code(tree: ast.Module) -> list[str]:
    """The folders of snnprune that not every study imports, and of the methods the files named."""
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("snnprune."):
            continue
        _, folder, *_ = node.module.split(".")
        if folder == "methods":
            found |= {f"{METHODS}/{alias.name}.py" for alias in node.names}
        elif folder not in SHARED:
            found.add(f"snnprune/{folder}")
    return sorted(found)
