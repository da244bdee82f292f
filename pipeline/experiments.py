"""Validates params.yaml as a whole, before any work: every block of every experiment, and what must fit together."""

from collections.abc import Collection, Mapping
from pathlib import Path

from pipeline.blocks import missing_blocks, unknown_blocks
from pipeline.data.params import DataParams
from pipeline.io import params
from pipeline.io.params import PARAMS_FILE, Matrix
from pipeline.studies.params import (
    AlphaParams,
    LayersParams,
    PaperParams,
    RelaxationParams,
    StalenessParams,
    SweepParams,
    ZombiesParams,
)
from snnprune.core.schema import Block, ParamsError
from snnprune.energy.params import EnergyParams
from snnprune.methods import available, load_method
from snnprune.pruning.params import PruneParams
from snnprune.snn.params import ModelParams
from snnprune.temporal.params import EarlyExitParams, TemporalParams
from snnprune.training.params import FitParams

SCHEMAS: dict[str, type[Block]] = {
    "data": DataParams,
    "model": ModelParams,
    "train": FitParams,
    "prune": PruneParams,
    "layers": LayersParams,
    "relaxation": RelaxationParams,
    "zombies": ZombiesParams,
    "staleness": StalenessParams,
    "sweep": SweepParams,
    "alpha": AlphaParams,
    "paper": PaperParams,
    "temporal": TemporalParams,
    "early_exit": EarlyExitParams,
    "energy": EnergyParams,
}


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
        valid: dict[str, Block] = {}
        problems += unknown_blocks(name, blocks) + missing_blocks(name, blocks)
        for block in [block for block in SCHEMAS if block in blocks]:
            try:
                valid[block] = params.load_block(name, block, SCHEMAS[block], path)
            except ParamsError as error:
                problems.append(str(error))
        if "methods" in blocks:
            problems += _method_problems(name, path)
        if "energy" in valid:
            problems += _energy_problems(name, blocks, valid)
        if name in matrix:
            problems += _study_problems(name, matrix[name], valid)
    if problems:
        raise ParamsError("\n".join(problems))


def _method_problems(experiment: str, path: Path) -> list[str]:
    try:
        listed = params.load_methods(experiment, path)
    except ParamsError as error:
        return [str(error)]
    problems = []
    for method in listed:
        if method not in available():
            where = f"experiments.{experiment}.methods.{method}"
            problems.append(f"{where}: unknown method; available are: {', '.join(available())}")
            continue
        try:
            params.load_method(experiment, method, load_method(method).params, path)
        except ParamsError as error:
            problems.append(str(error))
    return problems


def _study_problems(experiment: str, entry: Matrix, blocks: Mapping[str, Block]) -> list[str]:
    """Problems of studies that need results which the experiment's entry in the matrix does not give."""
    problems = []
    if "alpha" in blocks:
        problems += [
            f"experiments.{experiment}.alpha.seeds: {seed} is none of those in matrix.{experiment}.seeds: "
            f"{', '.join(map(str, entry.seeds))}"
            for seed in blocks["alpha"].seeds
            if seed not in entry.seeds
        ]
    if "prune" in blocks and blocks["prune"].criticality.kind == "membrane":
        problems += [
            f"experiments.{experiment}.{study}: averages criticality over presynaptic neurons, but with "
            "prune.criticality.kind membrane all synapses of a neuron have one number; use sensitivity or taylor"
            for study in ("sweep", "relaxation")
            if study in blocks and getattr(blocks[study], "granularity", "neuron") == "neuron"
        ]
    if "paper" in blocks:
        problems += _paper_problems(experiment, entry, blocks)
    if "staleness" in blocks and "cqp" not in entry.methods:
        problems.append(
            f"experiments.{experiment}.staleness: needs cqp in matrix.{experiment}.methods; found {entry.methods!r}"
        )
    return problems


def _energy_problems(experiment: str, there: Collection[str], blocks: Mapping[str, Block]) -> list[str]:
    where = f"experiments.{experiment}.energy"
    problems = [] if "temporal" in there else [f"{where}: needs the block temporal beside it, which says what T' is"]
    if "model" in blocks and max(blocks["energy"].steps) > blocks["model"].timesteps:
        problems.append(
            f"{where}.steps: at most {blocks['model'].timesteps} are allowed, model.timesteps; "
            f"found {blocks['energy'].steps}"
        )
    return problems


def _paper_problems(experiment: str, entry: Matrix, blocks: Mapping[str, Block]) -> list[str]:
    """The study puts protocol `fair` beside `paper`: that needs both methods, and the levels among those pruned to.

    Its own criticality is averaged over the synapses of an input.
    """
    where = f"experiments.{experiment}.paper"
    problems = [
        f"{where}: needs {method} in matrix.{experiment}.methods; found {entry.methods!r}"
        for method in ("cqp", "magnitude")
        if method not in entry.methods
    ]
    if blocks["paper"].criticality.kind == "membrane":
        problems.append(
            f"{where}.criticality.kind: averages over presynaptic neurons, but with membrane all synapses of a neuron "
            "have one number; use sensitivity or taylor"
        )
    if "prune" in blocks:
        targets = blocks["prune"].targets
        problems += [
            f"{where}.levels: {level} is none of the levels in experiments.{experiment}.prune: "
            f"{', '.join(map(str, targets))}"
            for level in blocks["paper"].levels
            if level not in targets
        ]
    return problems
