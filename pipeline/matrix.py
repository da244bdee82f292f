"""What dvc.yaml multiplies out: `python -m pipeline.matrix` writes matrix.yaml from params.yaml.

DVC's own `matrix` is one cartesian product; here each experiment has its own methods, seeds and studies, so dvc.yaml's
`foreach` takes its entries, `<stage>: {<name>: {experiment, method, seed}}`, from this file.
"""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.blocks import unknown_blocks
from pipeline.io.entry import run_stage
from pipeline.io.files import write_text
from pipeline.io.params import PARAMS_FILE, Matrix, matrix_of, read_params
from pipeline.slots import slots_of
from pipeline.studies import available
from snnprune.core.errors import UserError
from snnprune.core.schema import ParamsError

MATRIX_FILE = Path("matrix.yaml")
COMMAND = "python -m pipeline.matrix"
HEADER = f"# Made from params.yaml by `{COMMAND}`; do not edit. dvc.yaml multiplies its stages out by it.\n"
STAGES = ("data", "train", "prune", "evaluate", "study", "compare", "report", "track")

Stages = dict[str, dict[str, dict[str, Any]]]


def stages_of(tree: dict[str, Any]) -> Stages:
    """The DVC stages of a params tree (`read_params`): stage -> what follows `@` in its address -> its items.

    Raises:
        ParamsError: the matrix holds something that is not allowed, or one of its experiments has an unknown block.
        UserError: a study's file does not say what it needs.
    """
    stages: Stages = {stage: {} for stage in STAGES}
    matrix = matrix_of(tree)
    if problems := [line for name in matrix for line in unknown_blocks(name, tree["experiments"][name])]:
        raise ParamsError("\n".join(problems))
    for experiment, entry in matrix.items():
        studies = [block for block in tree["experiments"][experiment] if block in available()]  # in params.yaml's order
        for stage, items in _stages_of_one(experiment, entry, studies).items():
            stages[stage] |= items
    return stages


def update(params: Path = PARAMS_FILE, path: Path = MATRIX_FILE) -> bool:
    """Bring matrix.yaml up to date with params.yaml; whether it had to be changed.

    Raises:
        ParamsError: params.yaml's matrix, outline or blocks' names are not as allowed.
    """
    text = _render(stages_of(read_params(params)))
    if path.is_file() and path.read_bytes() == text.encode():
        return False
    write_text(path, text)
    return True


def studies_of(experiment: str, path: Path = MATRIX_FILE) -> list[str]:
    """The studies for which matrix.yaml gives the experiment a stage (raises UserError when there is no such file)."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; `{COMMAND}` makes it")
    return [item["study"] for item in _items(experiment, "study", path).values()]


def require_current(experiment: str, entry: Matrix, path: Path = MATRIX_FILE) -> None:
    """Check that matrix.yaml has the stages of an experiment's `entry`, and no others of it.

    Raises:
        UserError: it has not; the message says which command puts it right.
    """
    studies = studies_of(experiment, path) if path.is_file() else []
    for stage, items in _stages_of_one(experiment, entry, studies).items():
        if _items(experiment, stage, path) != items:
            raise UserError(f"{path} does not fit matrix.{experiment} of params.yaml; bring it up to date: {COMMAND}")


def main() -> None:
    """Write matrix.yaml and say whether it changed. Raises ParamsError."""
    print(f"{MATRIX_FILE}: {'brought up to date with' if update() else 'already fits'} {PARAMS_FILE}")


def _items(experiment: str, stage: str, path: Path) -> dict[str, dict[str, Any]]:
    """What a matrix.yaml has of one stage and experiment."""
    stages = YAML(typ="safe").load(path)["stages"] if path.is_file() else {}
    return {name: item for name, item in stages.get(stage, {}).items() if item["experiment"] == experiment}


def _stages_of_one(experiment: str, entry: Matrix, studies: Iterable[str]) -> Stages:
    once = {experiment: {"experiment": experiment}}
    return {
        **dict.fromkeys(STAGES, once),
        "train": {f"{experiment}-{seed}": {"experiment": experiment, "seed": seed} for seed in entry.seeds},
        "prune": {
            f"{experiment}-{method}-{seed}": {"experiment": experiment, "method": method, "seed": seed}
            for method in entry.methods
            for seed in entry.seeds
        },
        "study": {
            f"{experiment}-{study}": {"experiment": experiment, "study": study, **slots_of(experiment, study)}
            for study in studies
        },
    }


def _render(stages: Stages) -> str:
    yaml = YAML()
    yaml.default_flow_style, yaml.width = None, 400  # one line per stage
    yaml.representer.ignore_aliases = lambda _: True
    text = io.StringIO()
    yaml.dump({"stages": stages}, text)
    return HEADER + text.getvalue()


if __name__ == "__main__":
    run_stage(main)
