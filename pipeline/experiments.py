"""Validates params.yaml as a whole, before any work: every block of every experiment, and what must fit together."""

from collections.abc import Iterable
from pathlib import Path

from pipeline import params
from pipeline.data.params import DataParams
from pipeline.methods import available, load_method
from pipeline.params import PARAMS_FILE, Block, Matrix, ParamsError
from pipeline.pruning.params import PruneParams
from pipeline.snn.params import ModelParams
from pipeline.training.params import FitParams

SCHEMAS: dict[str, type[Block]] = {"data": DataParams, "model": ModelParams, "train": FitParams, "prune": PruneParams}


def validate_params(path: Path = PARAMS_FILE) -> None:
    """Check the whole of params.yaml.

    Raises:
        ParamsError: naming every key that is wrong, what was found and what is allowed.
    """
    experiments = list(params.read_params(path)["experiments"])
    problems: list[str] = []
    methods: list[str] = []
    try:
        matrix = params.load_matrix(path)
        methods = [method for method in matrix.methods if method in available()]
        problems += _matrix_problems(matrix, experiments)
    except ParamsError as error:
        problems.append(str(error))
    try:
        params.load_runtime(path)
    except ParamsError as error:
        problems.append(str(error))
    for name in experiments:
        problems += _block_problems(name, path)
        problems += _method_problems(name, methods, path)
    if problems:
        raise ParamsError("\n".join(problems))


def _matrix_problems(matrix: Matrix, experiments: list[str]) -> list[str]:
    known = {"experiments": experiments, "methods": available()}
    return [
        f"matrix.{key}: {name!r} is none of those there are: {', '.join(names)}"
        for key, names in known.items()
        for name in getattr(matrix, key)
        if name not in names
    ]


def _block_problems(experiment: str, path: Path) -> list[str]:
    problems = []
    for block, schema in SCHEMAS.items():
        try:
            params.load_block(experiment, block, schema, path)
        except ParamsError as error:
            problems.append(str(error))
    return problems


def _method_problems(experiment: str, required: Iterable[str], path: Path) -> list[str]:
    """Problems of the methods an experiment lists, and of `required` ones (the matrix's) that it does not."""
    try:
        listed = params.load_methods(experiment, path)
    except ParamsError as error:
        return [str(error)]
    problems = []
    for method in dict.fromkeys([*listed, *required]):
        if method not in available():
            where = f"experiments.{experiment}.methods.{method}"
            problems.append(f"{where}: unknown method; available are: {', '.join(available())}")
            continue
        try:
            params.load_method(experiment, method, load_method(method).params, path)
        except ParamsError as error:
            problems.append(str(error))
    return problems
