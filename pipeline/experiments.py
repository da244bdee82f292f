"""Validates params.yaml as a whole, before any work: every block of every experiment, and what must fit together."""

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pipeline.data.params import DataParams
from pipeline.export.params import ExportParams, names_of
from pipeline.io import params
from pipeline.io.params import PARAMS_FILE, Problems
from pipeline.matrix import REQUIRED, unknown_blocks
from pipeline.own_nets import own_problems
from pipeline.report.comparison.params import CompareParams, baseline_of
from pipeline.study import DENSE, NETS, Experiment, Study, available, load_study
from snnprune.core.errors import UserError
from snnprune.core.own_model import Model, OwnModel
from snnprune.core.params import Frames
from snnprune.core.schema import Block, ParamsError, validate
from snnprune.core.training.params import FitParams
from snnprune.pruning import registry
from snnprune.pruning.params import PruneParams

SCHEMAS: dict[str, type[Block]] = {
    "data": DataParams,
    "model": Model,
    "train": FitParams,
    "prune": PruneParams,
    "compare": CompareParams,
    "export": ExportParams,
}


def validate_params(path: Path = PARAMS_FILE) -> None:
    """Check the whole of params.yaml; raises ParamsError that names every key that is wrong, found and allowed."""
    tree = params.read_params(path)
    problems = Problems()
    matrix = problems.of(params.matrix_of, tree) or {}
    if runtime := problems.of(params.load_runtime, path):
        keys = list(params.Runtime.model_fields)  # dvc.yaml names each, so DVC wants all of them to be there
        required = f"missing; required are: {', '.join(keys)}"
        problems += [f"runtime.{key}: {required}" for key in keys if key not in runtime.model_fields_set]
    for name, blocks in tree["experiments"].items():
        where = f"experiments.{name}"
        problems += unknown_blocks(name, blocks)
        problems += [
            f"{where}.{block}: missing; required are: {', '.join(REQUIRED)}"
            for block in REQUIRED
            if block not in blocks
        ]
        there = [load_study(study) for study in available() if study in blocks]
        schemas = SCHEMAS | {study.name: study.params for study in there}
        found = {
            block: problems.of(validate, schema, blocks[block], f"{where}.{block}")
            for block, schema in schemas.items()
            if block in blocks
        }
        if "methods" in blocks:
            methods = problems.of(params.load_methods, name, path) or {}
            settings = {
                method: problems.of(_method_params, method, values, f"{where}.methods.{method}")
                for method, values in methods.items()
            }
            problems += _control_problems(where, settings)
        valid = {block: value for block, value in found.items() if value is not None}
        problems += _frames_problems(where, valid) or own_problems(
            where, valid, there, matrix[name].seeds if name in matrix else ()
        )
        if name in matrix:
            problems += _study_problems(there, Experiment(name, matrix[name], valid), blocks)
            problems.of(baseline_of, name, valid.get("compare"), matrix[name].methods)
            if "export" in valid and "prune" in valid:
                problems.of(names_of, name, valid["export"], _nets_to_be(matrix[name], valid["prune"]))
    problems.raise_any()


def _nets_to_be(matrix: params.Matrix, prune: PruneParams) -> list[tuple[str, int, float]]:
    """Method, seed and level of every net that the experiment will have."""
    pruned = [(method, seed, level) for method in matrix.methods for seed in matrix.seeds for level in prune.targets]
    return [(DENSE, seed, 0.0) for seed in matrix.seeds] + pruned


def _method_params(name: str, values: Any, where: str) -> Block:
    try:
        method = registry.load_method(name)
    except UserError as error:
        raise ParamsError(f"{where}: {error}") from error
    return validate(method.params, values, where)


def _control_problems(where: str, settings: Mapping[str, Block | None]) -> list[str]:
    """Where a method is another's control, what both have must be the same."""
    control, of = (settings.get(name) for name in ("osqp_exact", "osqp"))
    if control is None or of is None:
        return []
    return [
        f"{where}.methods.osqp_exact.{key}: allowed is {value!r}, as methods.osqp, whose control it is; "
        f"found {getattr(control, key)!r}"
        for key, value in of
        if getattr(control, key) != value
    ]


def _frames_problems(where: str, blocks: Mapping[str, Any]) -> list[str]:
    """Where the data are events, the network must take just their frames; where they are images, it must not."""
    data, model = blocks.get("data"), blocks.get("model")
    if data is None or model is None:
        return []
    encoding, found = f"{where}.model.encoding.name", model.encoding.name
    problems = _augment_problems(where, blocks, data)
    if data.events is None:
        if isinstance(model.encoding, Frames):
            allowed = "allowed are direct, noisy_direct, rate, latency"
            problems.append(
                f"{encoding}: frames are of events, and {data.dataset} are images; {allowed}; found {found!r}"
            )
    elif not isinstance(model.encoding, Frames):
        problems.append(f"{encoding}: {data.dataset} are events; allowed is frames; found {found!r}")
    elif isinstance(model, OwnModel) and model.timesteps is None:
        pass  # as many as there are frames
    elif (steps := data.events.timesteps) != model.timesteps:
        problems.append(f"{where}.data.events.timesteps: allowed is {model.timesteps}, model.timesteps; found {steps}")
    elif not isinstance(model, OwnModel) and (shape := data.sample_shape) and not model.takes(shape):
        size = "x".join(map(str, shape[1:]))
        allowed = f"frames of {data.dataset} are {size}, so the input must be {size} or {math.prod(shape[1:])}"
        problems.append(f"{where}.model.layers: {allowed}; found {model.layers!r}")
    return problems


def _augment_problems(where: str, blocks: Mapping[str, Any], data: DataParams) -> list[str]:
    """Frames are not rotated or distorted, nor moved by their whole length or side, where that is known; images have no
    time to be moved in. In every block that trains, or its finetune."""
    if data.events is None:
        most = {"jitter": (0, "images have no time; allowed is 0")}
    else:
        last = data.events.timesteps - 1
        most = {
            "rotation": (0, "frames are shifted, not rotated; allowed is 0"),
            "jitter": (last, f"allowed is at most {last} for {data.events.timesteps} frames"),
        }
        if size := data.frame_size:
            most["shift"] = (min(size) - 1, f"allowed is at most {min(size) - 1} for frames of {size[0]} x {size[1]}")
    problems = []
    for name, block in blocks.items():
        for place, part in ((name, block), (f"{name}.finetune", getattr(block, "finetune", None))):
            if data.events and getattr(getattr(part, "augment", None), "elastic", None):
                problems.append(f"{where}.{place}.augment.elastic: frames are shifted, not distorted; allowed is null")
            for key, (limit, why) in most.items():
                if (found := getattr(getattr(part, "augment", None), key, 0)) > limit:
                    problems.append(f"{where}.{place}.augment.{key}: {why}; found {found}")
    return problems


def _study_problems(there: list[Study], experiment: Experiment, blocks: Collection[str]) -> list[str]:
    """Problems of studies that need what the experiment does not have; `blocks` are its keys, valid or not."""
    problems = []
    for study in there:
        where = f"experiments.{experiment.name}.{study.name}"
        if study.needs not in (DENSE, NETS, *blocks):
            problems.append(f"{where}: needs the block {study.needs} beside it, whose table it reads")
        problems += [
            f"{where}: needs {method} in matrix.{experiment.name}.methods; found {experiment.matrix.methods!r}"
            for method in study.beside
            if method not in experiment.matrix.methods
        ]
        if study.name in experiment.blocks:
            problems += study.problems(experiment.blocks[study.name], experiment)
    return problems
