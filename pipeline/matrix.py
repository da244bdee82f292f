"""What dvc.yaml multiplies out: `python -m pipeline.matrix` writes matrix.yaml from params.yaml.

DVC's own `matrix` is one cartesian product; here each experiment has its own methods, seeds and studies, so dvc.yaml's
`foreach` takes its entries, `<stage>: {<name>: {experiment, method, seed}}`, from this file.
"""

import io
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.blocks import STUDIES, unknown_blocks
from pipeline.io import paths
from pipeline.io.entry import run_stage
from pipeline.io.files import write_text
from pipeline.io.params import PARAMS_FILE, Matrix, matrix_of, read_params
from snnprune.core.errors import UserError
from snnprune.core.schema import ParamsError

MATRIX_FILE = Path("matrix.yaml")
COMMAND = "python -m pipeline.matrix"
HEADER = f"# Made from params.yaml by `{COMMAND}`; do not edit. dvc.yaml multiplies its stages out by it.\n"
ONCE_PER_EXPERIMENT = ("report", "track")

Stages = dict[str, dict[str, dict[str, Any]]]


def stages_of(tree: dict[str, Any]) -> Stages:
    """The DVC stages of a params tree (`read_params`): stage -> what follows `@` in its address -> its items.

    Raises:
        ParamsError: the matrix holds something that is not allowed, or one of its experiments has an unknown block.
    """
    stages: Stages = {stage: {} for stage in ("data", "train", "prune", "compare", *ONCE_PER_EXPERIMENT, *STUDIES)}
    matrix = matrix_of(tree)
    if problems := [line for name in matrix for line in unknown_blocks(name, tree["experiments"][name])]:
        raise ParamsError("\n".join(problems))
    for experiment, entry in matrix.items():
        for stage, items in _stages_of_one(experiment, entry, tree["experiments"][experiment]).items():
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
    stages = YAML(typ="safe").load(path)["stages"]
    return [study for study in STUDIES if experiment in stages[study]]


def require_current(experiment: str, entry: Matrix, path: Path = MATRIX_FILE) -> None:
    """Check that matrix.yaml has the stages of an experiment's `entry`, and no others of it.

    Raises:
        UserError: it has not; the message says which command puts it right.
    """
    stages = YAML(typ="safe").load(path)["stages"] if path.is_file() else {}
    studies = [study for study in STUDIES if experiment in stages.get(study, {})]
    for stage, items in _stages_of_one(experiment, entry, studies).items():
        found = {name: item for name, item in stages.get(stage, {}).items() if item["experiment"] == experiment}
        if found != items:
            raise UserError(f"{path} does not fit matrix.{experiment} of params.yaml; bring it up to date: {COMMAND}")


def main() -> None:
    """Write matrix.yaml and say whether it changed. Raises ParamsError."""
    print(f"{MATRIX_FILE}: {'brought up to date with' if update() else 'already fits'} {PARAMS_FILE}")


def _stages_of_one(experiment: str, entry: Matrix, blocks: Collection[str]) -> Stages:
    once = {experiment: {"experiment": experiment}}
    return {
        "data": once,
        "train": {f"{experiment}-{seed}": {"experiment": experiment, "seed": seed} for seed in entry.seeds},
        "prune": {
            f"{experiment}-{method}-{seed}": {"experiment": experiment, "method": method, "seed": seed}
            for method in entry.methods
            for seed in entry.seeds
        },
        "compare": {experiment: {"experiment": experiment, "energy": _energy_of(experiment, blocks)}},
        **dict.fromkeys(ONCE_PER_EXPERIMENT, once),
        **{study: once for study in STUDIES if study in blocks},
    }


def _energy_of(experiment: str, blocks: Collection[str]) -> str:
    """What the comparison depends on for its energies.

    DVC's templates know no condition: without a study `energy` it is what the comparison depends on anyway.
    """
    study = paths.studies_folder(experiment, "energy") / "levels.csv"
    return str(study if "energy" in blocks else paths.RESULTS / experiment / "prune")


def _render(stages: Stages) -> str:
    yaml = YAML()
    yaml.default_flow_style, yaml.width = None, 200  # one line per stage
    yaml.representer.ignore_aliases = lambda _: True
    text = io.StringIO()
    yaml.dump({"stages": stages}, text)
    return HEADER + text.getvalue()


if __name__ == "__main__":
    run_stage(main)
