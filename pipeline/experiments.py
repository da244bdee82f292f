"""Validates params.yaml as a whole, before any work: every block of every experiment, and what must fit together."""

from collections.abc import Collection
from pathlib import Path

from pipeline import studies
from pipeline.blocks import missing_blocks, unknown_blocks
from pipeline.data.params import DataParams
from pipeline.io import params
from pipeline.io.params import PARAMS_FILE, Matrix
from pipeline.studies import DENSE, NETS, Experiment, Study
from snnprune import methods
from snnprune.core.schema import Block, ParamsError, validate
from snnprune.pruning.params import PruneParams
from snnprune.snn.params import ModelParams
from snnprune.training.params import FitParams

SCHEMAS: dict[str, type[Block]] = {"data": DataParams, "model": ModelParams, "train": FitParams, "prune": PruneParams}


def validate_params(path: Path = PARAMS_FILE) -> None:
    """Check the whole of params.yaml.

    Raises:
        ParamsError: naming every key that is wrong, what was found and what is allowed.
    """
    tree = params.read_params(path)
    problems: list[str] = []
    matrix: dict[str, Matrix] = {}
    try:
        matrix = params.matrix_of(tree)
    except ParamsError as error:
        problems.append(str(error))
    try:
        params.load_runtime(path)
    except ParamsError as error:
        problems.append(str(error))
    for name, blocks in tree["experiments"].items():
        problems += unknown_blocks(name, blocks) + missing_blocks(name, blocks)
        there = [studies.load_study(study) for study in studies.available() if study in blocks]
        schemas = SCHEMAS | {study.name: study.params for study in there}
        valid: dict[str, Block] = {}
        for block in [block for block in schemas if block in blocks]:
            try:
                valid[block] = validate(schemas[block], blocks[block], f"experiments.{name}.{block}")
            except ParamsError as error:
                problems.append(str(error))
        if "methods" in blocks:
            problems += _method_problems(name, path)
        if name in matrix:
            problems += _study_problems(there, Experiment(name, matrix[name], valid), blocks)
    if problems:
        raise ParamsError("\n".join(problems))


def _method_problems(experiment: str, path: Path) -> list[str]:
    try:
        listed = params.load_methods(experiment, path)
    except ParamsError as error:
        return [str(error)]
    problems = []
    for method, values in listed.items():
        where = f"experiments.{experiment}.methods.{method}"
        if method not in methods.available():
            problems.append(f"{where}: unknown method; available are: {', '.join(methods.available())}")
            continue
        try:
            validate(methods.load_method(method).params, values, where)
        except ParamsError as error:
            problems.append(str(error))
    return problems


def _study_problems(there: list[Study], experiment: Experiment, blocks: Collection[str]) -> list[str]:
    """Problems of studies that need what the experiment does not have; `blocks` are its keys, valid or not."""
    problems = []
    for study in there:
        if study.needs not in (DENSE, NETS, *blocks):
            where = f"experiments.{experiment.name}.{study.name}"
            problems.append(f"{where}: needs the block {study.needs} beside it, whose table it reads")
        problems += [
            f"experiments.{experiment.name}.{study.name}: needs {method} in matrix.{experiment.name}.methods; "
            f"found {experiment.matrix.methods!r}"
            for method in study.beside
            if method not in experiment.matrix.methods
        ]
        if study.name in experiment.blocks:
            problems += study.problems(experiment.blocks[study.name], experiment)
    return problems
