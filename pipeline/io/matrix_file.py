"""What matrix.yaml says of an experiment; `pipeline/matrix.py` makes the file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.io.params import Matrix
from snnprune.core.errors import UserError

MATRIX_FILE = Path("matrix.yaml")
COMMAND = "python -m pipeline.matrix"
OWN = ("code", "module", "weights")  # what of a train stage's item is of the user's own network
METHOD = "method_file"  # what of a prune stage's is of its method

Items = dict[str, dict[str, Any]]


def read_stages(path: Path = MATRIX_FILE) -> dict[str, Items]:
    """Stage -> what follows `@` in its address -> its item. Raises UserError: there is no such file, or it was edited
    or merged into something else."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; `{COMMAND}` makes it")
    try:
        return YAML(typ="safe").load(path)["stages"]
    except (YAMLError, LookupError, TypeError) as error:
        raise UserError(f"{path}: not as `{COMMAND}` writes it, which makes it anew: {error}") from error


def studies_of(experiment: str, path: Path = MATRIX_FILE) -> list[str]:
    """The studies for which matrix.yaml gives the experiment a stage (raises UserError when there is no such file)."""
    return [item["study"] for item in _items(experiment, "study", read_stages(path)).values()]


def require_current(experiment: str, entry: Matrix, path: Path = MATRIX_FILE) -> None:
    """Check that matrix.yaml trains and prunes what an experiment's `entry` in params.yaml lists, and nothing else.
    Raises UserError: it does not; the message says which command puts it right."""
    stages = read_stages(path) if path.is_file() else {}
    for stage, items in nets_of(experiment, entry).items():
        found = _items(experiment, stage, stages)
        if {
            name: {key: item[key] for key in item if key not in (*OWN, METHOD)} for name, item in found.items()
        } != items:
            raise UserError(f"{path} does not fit matrix.{experiment} of params.yaml; bring it up to date: {COMMAND}")


def require_source(experiment: str, source: Path, path: Path = MATRIX_FILE) -> None:
    """Check that DVC watches the folder or file of an experiment's own data, where there is a matrix.yaml. Raises
    UserError: matrix.yaml names another one; the message says which command puts it right."""
    stages = read_stages(path) if path.is_file() else {}
    for item in _items(experiment, "data", stages).values():
        if item.get("source") != source.as_posix():
            found = f"experiments.{experiment}.data.dataset of params.yaml"
            raise UserError(f"{path} does not fit {found}; bring it up to date: {COMMAND}")


def require_own(experiment: str, seed: int, files: Sequence[Path], path: Path = MATRIX_FILE) -> None:
    """Check that DVC watches the files of which a seed's network is made, where there is a matrix.yaml and they are
    a user's own. Raises UserError: matrix.yaml names others; the message says which command puts it right."""
    stages = read_stages(path) if path.is_file() else {}
    for item in _items(experiment, "train", stages).values():
        if item["seed"] == seed and {file.as_posix() for file in files} - {item.get(key) for key in OWN}:
            found = f"experiments.{experiment}.model of params.yaml"
            raise UserError(f"{path} does not fit {found}; bring it up to date: {COMMAND}")


def nets_of(experiment: str, entry: Matrix) -> dict[str, Items]:
    """The items of the stages `train` and `prune`, by what follows `@` in their addresses."""
    return {
        "train": {f"{experiment}-{seed}": {"experiment": experiment, "seed": seed} for seed in entry.seeds},
        "prune": {
            f"{experiment}-{method}-{seed}": {"experiment": experiment, "method": method, "seed": seed}
            for method in entry.methods
            for seed in entry.seeds
        },
    }


def _items(experiment: str, stage: str, stages: dict[str, Items]) -> Items:
    return {name: item for name, item in stages.get(stage, {}).items() if item["experiment"] == experiment}
