"""Reads params.yaml: one validated block at a time, so that a stage depends on nothing it does not use.

A block's schema lives beside the code that uses it (`snnprune/training/params.py` for `train`, ...);
`pipeline/experiments.py` validates the whole file at once.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from snnprune.core.schema import NAME, Block, ParamsError, Schema, expected_mapping, validate

PARAMS_FILE = Path("params.yaml")
TOP_KEYS = ("matrix", "runtime", "experiments")


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
    """Parse params.yaml and check its outline (top keys, experiments' names), without looking at the blocks.

    Raises:
        ParamsError: the file is missing, is not YAML, or its outline is wrong; every problem found is listed.
    """
    if not path.is_file():
        raise ParamsError(f"{path}: no such file; run from the project's root folder")
    try:
        tree = YAML(typ="safe").load(path)
    except (YAMLError, ValueError) as error:  # ValueError: 1024-64-10 without quotes is no date
        raise ParamsError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(tree, dict):
        raise ParamsError(f"{path}: {expected_mapping(TOP_KEYS, tree)}")
    problems = _unknown_keys("", tree, TOP_KEYS)
    experiments = tree.get("experiments")
    if not isinstance(experiments, dict) or not experiments:
        problems.append(f"experiments: expected a mapping of experiment names to blocks; found {experiments!r}")
    else:
        problems += [problem for name, blocks in experiments.items() for problem in _outline_problems(name, blocks)]
    if problems:
        raise ParamsError("\n".join(problems))
    return tree


def load_block(experiment: str, block: str, schema: type[Schema], path: Path = PARAMS_FILE) -> Schema:
    """One validated block, `experiments.<experiment>.<block>`.

    Raises:
        ParamsError: unknown experiment, missing block, or a value that the schema refuses.
    """
    return validate(schema, _raw_block(experiment, block, path), f"experiments.{experiment}.{block}")


def load_method(experiment: str, method: str, schema: type[Schema], path: Path = PARAMS_FILE) -> Schema:
    """One method's validated parameters, `experiments.<experiment>.methods.<method>`.

    Raises:
        ParamsError: unknown experiment, method not listed for it, or a value that the schema refuses.
    """
    methods = load_methods(experiment, path)
    if method not in methods:
        listed = ", ".join(map(str, methods)) or "none"
        raise ParamsError(f"experiments.{experiment}.methods.{method}: missing; listed are: {listed}")
    return validate(schema, methods[method], f"experiments.{experiment}.methods.{method}")


def load_methods(experiment: str, path: Path = PARAMS_FILE) -> dict[str, Any]:
    """The methods listed for an experiment, name -> parameters, not validated.

    Raises:
        ParamsError: unknown experiment, or its `methods` block is missing or no mapping.
    """
    methods = _raw_block(experiment, "methods", path)
    if not isinstance(methods, dict):
        raise ParamsError(
            f"experiments.{experiment}.methods: expected a mapping of method names to their parameters, such as "
            f"magnitude: {{}}; found {methods!r}"
        )
    return methods


def load_runtime(path: Path = PARAMS_FILE) -> Runtime:
    """The validated `runtime` block (raises ParamsError)."""
    return validate(Runtime, read_params(path).get("runtime", {}), "runtime")


def load_matrix(experiment: str, path: Path = PARAMS_FILE) -> Matrix:
    """One experiment's validated entry in the matrix, `matrix.<experiment>`.

    Raises:
        ParamsError: the matrix does not list the experiment, or its entry holds something that is not allowed.
    """
    matrix = _raw_matrix(read_params(path))
    if experiment not in matrix:
        raise ParamsError(f"matrix.{experiment}: missing; listed are: {', '.join(map(str, matrix))}")
    return validate(Matrix, matrix[experiment], f"matrix.{experiment}")


def matrix_of(tree: dict[str, Any]) -> dict[str, Matrix]:
    """The whole matrix of a params tree (`read_params`), validated: experiment -> its entry, in the file's order.

    Raises:
        ParamsError: an entry is wrong, its experiment is not defined, or does not list one of its methods.
    """
    experiments = tree["experiments"]
    matrix: dict[str, Matrix] = {}
    problems: list[str] = []
    for name, entry in _raw_matrix(tree).items():
        if name not in experiments:
            problems.append(f"matrix.{name}: no such experiment; defined are: {', '.join(experiments)}")
            continue
        try:
            matrix[name] = validate(Matrix, entry, f"matrix.{name}")
        except ParamsError as error:
            problems.append(str(error))
        else:
            problems += _unlisted_methods(name, matrix[name], experiments[name].get("methods"))
    if problems:
        raise ParamsError("\n".join(problems))
    return matrix


def _raw_block(experiment: str, block: str, path: Path) -> Any:
    experiments = read_params(path)["experiments"]
    if experiment not in experiments:
        raise ParamsError(f"experiments.{experiment}: no such experiment; defined are: {', '.join(experiments)}")
    blocks = experiments[experiment]
    if block not in blocks:
        raise ParamsError(
            f"experiments.{experiment}.{block}: missing; there are: {', '.join(map(str, blocks)) or 'none'}"
        )
    return blocks[block]


def _raw_matrix(tree: dict[str, Any]) -> dict[Any, Any]:
    matrix = tree.get("matrix")
    if not isinstance(matrix, dict) or not matrix:
        raise ParamsError(
            "matrix: expected a mapping of experiment names to methods and seeds, such as "
            f"digits: {{methods: [cqp], seeds: [0]}}; found {matrix!r}"
        )
    return matrix


def _unlisted_methods(experiment: str, entry: Matrix, listed: Any) -> list[str]:
    """Problems of methods without parameters; where the experiment's own `methods` is wrong, that is the problem."""
    if not isinstance(listed, dict):
        return []
    return [
        f"matrix.{experiment}.methods: {name!r} is none of those in experiments.{experiment}.methods: "
        f"{', '.join(map(str, listed)) or 'none'}"
        for name in entry.methods
        if name not in listed
    ]


def _outline_problems(name: Any, blocks: Any) -> list[str]:
    where = f"experiments.{name}"
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return [f"{where}: allowed in an experiment's name are letters, digits, - and _; found {name!r}"]
    if not isinstance(blocks, dict):
        return [f"{where}: expected a mapping of blocks such as data, model and train; found {blocks!r}"]
    return []


def _unknown_keys(prefix: str, value: dict[Any, Any], allowed: tuple[str, ...]) -> list[str]:
    return [f"{prefix}{key}: unknown key; allowed here: {', '.join(allowed)}" for key in value if key not in allowed]
