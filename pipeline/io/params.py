"""Reads params.yaml: one validated block at a time, so that a stage depends on nothing it does not use. A block's
schema lives beside the code that uses it (`snnprune/pruning/params.py` for `prune`, ...); `pipeline/experiments.py`
validates the whole file at once."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from snnprune.core.schema import NAME, Block, ParamsError, Schema, expected_mapping, validate

PARAMS_FILE = Path("params.yaml")
LONGEST_NAME = 100  # it is part of file names, of which file systems allow 255 bytes
TOP_KEYS = ("matrix", "runtime", "experiments")
Found = TypeVar("Found")


class Runtime(Block):
    """How stages compute: CPU threads per stage (float sums depend on it) and the torch device."""

    threads: int = pydantic.Field(default=1, ge=1, le=256)
    device: Literal["auto", "cpu", "cuda"] = "auto"


class Matrix(Block):
    """An experiment's stages: `train` once per seed, `prune` once per method and seed."""

    methods: Annotated[list[str], pydantic.Field(min_length=1)]
    seeds: Annotated[list[Annotated[int, pydantic.Field(ge=0)]], pydantic.Field(min_length=1)]

    @pydantic.field_validator("methods", "seeds")
    @classmethod
    def _distinct(cls, values: list) -> list:
        if len(set(values)) != len(values):
            raise ValueError("entries must differ")
        return values


def read_params(path: Path = PARAMS_FILE) -> dict[str, Any]:
    """Parse params.yaml and check its outline (top keys, experiments' names), without looking at the blocks. Raises
    ParamsError: the file is missing, is not YAML, or its outline is wrong; every problem found is listed. The tree is
    the same object while the file's bytes are: nobody changes it."""
    if not path.is_file():
        raise ParamsError(f"{path}: no such file; run from the project's root folder")
    return _tree_of(path, path.read_bytes())


@lru_cache(maxsize=4)  # a stage reads it for each of its blocks
def _tree_of(path: Path, content: bytes) -> dict[str, Any]:
    try:
        tree = YAML(typ="safe").load(content)
    except (YAMLError, ValueError) as error:  # ValueError: 1024-64-10 without quotes is no date
        raise ParamsError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(tree, dict):
        raise ParamsError(f"{path}: {expected_mapping(TOP_KEYS, tree)}")
    problems = Problems(
        f"{key}: unknown key; allowed here: {', '.join(TOP_KEYS)}" for key in tree if key not in TOP_KEYS
    )
    experiments = tree.get("experiments")
    if not isinstance(experiments, dict) or not experiments:
        problems.append(f"experiments: expected a mapping of experiment names to blocks; found {experiments!r}")
    else:
        problems += [problem for name, blocks in experiments.items() for problem in _outline_problems(name, blocks)]
    problems.raise_any()
    return tree


def load_block(experiment: str, block: str, schema: type[Schema], path: Path = PARAMS_FILE) -> Schema:
    """One validated block, `experiments.<experiment>.<block>`; of a method, too (`methods.<method>`). Raises
    ParamsError: unknown experiment, missing block, or a value that the schema refuses."""
    blocks, where = _experiment(experiment, path), f"experiments.{experiment}"
    if block.startswith("methods."):
        blocks, where, block = load_methods(experiment, path), f"{where}.methods", block.removeprefix("methods.")
    return validate(schema, _entry(blocks, block, where), f"{where}.{block}")


def load_methods(experiment: str, path: Path = PARAMS_FILE) -> dict[str, Any]:
    """The methods listed for an experiment, name -> parameters, not validated. Raises ParamsError: unknown experiment,
    or its `methods` block is missing or no mapping."""
    where = f"experiments.{experiment}"
    methods = _entry(_experiment(experiment, path), "methods", where)
    if not isinstance(methods, dict):
        allowed = "a mapping of method names to their parameters, such as magnitude: {}"
        raise ParamsError(f"{where}.methods: expected {allowed}; found {methods!r}")
    return methods


def load_runtime(path: Path = PARAMS_FILE) -> Runtime:
    """The validated `runtime` block (raises ParamsError)."""
    return validate(Runtime, read_params(path).get("runtime", {}), "runtime")


def load_matrix(experiment: str, path: Path = PARAMS_FILE) -> Matrix:
    """One experiment's validated entry in the matrix, `matrix.<experiment>`. Raises ParamsError: the matrix does not
    list the experiment, or its entry holds something that is not allowed."""
    return validate(Matrix, _entry(_raw_matrix(read_params(path)), experiment, "matrix"), f"matrix.{experiment}")


def matrix_of(tree: dict[str, Any]) -> dict[str, Matrix]:
    """The whole matrix of a params tree (`read_params`), validated: experiment -> its entry, in the file's order.
    Raises ParamsError: an entry is wrong, its experiment is not defined, or does not list one of its methods."""
    experiments = tree["experiments"]
    matrix: dict[str, Matrix] = {}
    problems = Problems()
    for name, entry in _raw_matrix(tree).items():
        if name not in experiments:
            problems.append(f"matrix.{name}: no such experiment; defined are: {', '.join(experiments)}")
        elif valid := problems.of(validate, Matrix, entry, f"matrix.{name}"):
            matrix[name] = valid
            problems += _unlisted_methods(name, valid, experiments[name].get("methods"))
    problems.raise_any()
    return matrix


class Problems(list[str]):
    """What is wrong, a line each, collected to be reported at once."""

    def of(self, check: Callable[..., Found], *arguments: Any) -> Found | None:
        """What `check` returns; None where it raised a ParamsError, which is added."""
        try:
            return check(*arguments)
        except ParamsError as error:
            self.append(str(error))
            return None

    def raise_any(self) -> None:
        """Raises ParamsError with all lines, if there are any."""
        if self:
            raise ParamsError("\n".join(self))


def _experiment(experiment: str, path: Path) -> dict[str, Any]:
    experiments = read_params(path)["experiments"]
    if experiment not in experiments:
        raise ParamsError(f"experiments.{experiment}: no such experiment; defined are: {', '.join(experiments)}")
    return experiments[experiment]


def _entry(entries: Mapping[Any, Any], name: str, where: str) -> Any:
    if name not in entries:
        raise ParamsError(f"{where}.{name}: missing; there are: {', '.join(map(str, entries)) or 'none'}")
    return entries[name]


def _raw_matrix(tree: dict[str, Any]) -> dict[Any, Any]:
    matrix = tree.get("matrix")
    if not isinstance(matrix, dict) or not matrix:
        allowed = "a mapping of experiment names to methods and seeds, such as digits: {methods: [cqp], seeds: [0]}"
        raise ParamsError(f"matrix: expected {allowed}; found {matrix!r}")
    return matrix


def _unlisted_methods(experiment: str, entry: Matrix, listed: Any) -> list[str]:
    """Problems of methods without parameters; where the experiment's own `methods` is wrong, that is the problem."""
    if not isinstance(listed, dict):
        return []
    allowed = f"none of those in experiments.{experiment}.methods: {', '.join(map(str, listed)) or 'none'}"
    return [f"matrix.{experiment}.methods: {name!r} is {allowed}" for name in entry.methods if name not in listed]


def _outline_problems(name: Any, blocks: Any) -> list[str]:
    where = f"experiments.{name}"
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return [f"{where}: allowed in an experiment's name are letters, digits, - and _; found {name!r}"]
    if len(name) > LONGEST_NAME:
        return [f"{where}: an experiment's name may have {LONGEST_NAME} letters; found {len(name)}"]
    if not isinstance(blocks, dict):
        return [f"{where}: expected a mapping of blocks such as data, model and train; found {blocks!r}"]
    return []
