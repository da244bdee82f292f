"""The blocks `model`, `train` and `prune`: defaults, what they distinguish, and errors that name the key."""

from typing import Any

import numpy as np
import pytest
import torch

from snnprune.core.params import Direct, Frames, Latency, ModelParams, NoisyDirect, Rate
from snnprune.core.schema import Block, ParamsError, validate
from snnprune.core.training.params import Augment, Distillation, FinetuneParams, FitParams
from snnprune.pruning.params import PruneParams

MODEL = {"layers": [4, 2]}
TRAIN = {"epochs": 3, "batch_size": 8, "lr": 0.1}
PRUNE = {"levels": [0.5], "finetune": TRAIN}
BLOCKS = {"model": (ModelParams, MODEL), "train": (FitParams, TRAIN), "finetune": (FinetuneParams, TRAIN)}
BLOCKS |= {"prune": (PruneParams, PRUNE)}
LINEAR = {"name": "linear", "final": 0.9, "rounds": 3}
EITHER = ": give either levels, e.g. [0.5, 0.9], or schedule; found "


def load(block: str, **change: Any) -> Block:
    schema, minimal = BLOCKS[block]
    values = {key: value for key, value in {**minimal, **change}.items() if value != "absent"}
    return validate(schema, values, block)


def test_defaults_of_a_model_are_snntorchs_neuron_and_the_direct_encoding() -> None:
    params = load("model")
    assert (params.beta, params.threshold, params.reset, params.dropout) == (0.9, 1.0, "subtract", 0.0)
    assert (params.surrogate.name, params.surrogate.slope) == ("atan", 2.0)
    assert params.timesteps == 10
    assert params.encoding == Direct(name="direct")


def test_defaults_of_training_are_plain_adam() -> None:
    params = load("train")
    assert (params.epochs, params.batch_size, params.lr, params.weight_decay) == (3, 8, 0.1, 0.0)
    assert params.augment == Augment(shift=0, rotation=0.0, jitter=0)
    assert (params.optimizer, params.schedule) == ("adam", "cosine")
    for schedule in ("cosine", "one_cycle", "constant"):
        assert load("train", schedule=schedule).schedule == schedule
    assert load("finetune").distillation is None
    assert Distillation() == Distillation(temperature=2.0, weight=0.5)
    assert FitParams(epochs=1) == FitParams(epochs=1, batch_size=64, lr=0.002)


def test_pruning_has_defaults_and_takes_all_of_its_block() -> None:
    params = load("prune", levels=[0.5, 0.9])
    assert (params.protocol, params.scope, params.schedule) == ("fair", "global", None)
    assert (params.criticality.kind, params.criticality.frozen) == ("sensitivity", False)
    assert params.targets == [0.5, 0.9]
    criticality = {"kind": "membrane", "batches": 2, "batch_size": 3, "frozen": True}
    finetune = {**TRAIN, "optimizer": "adamw", "distillation": {"temperature": 3.0}}
    params = load("prune", scope="layer", criticality=criticality, finetune=finetune)
    assert (params.scope, params.criticality.kind, params.criticality.frozen) == ("layer", "membrane", True)
    assert (params.finetune.distillation.temperature, params.finetune.distillation.weight) == (3.0, 0.5)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({"name": "cubic", "final": 0.96, "rounds": 2}, [0.84, 0.96]),
        ({"name": "one_shot", "final": 0.9, "rounds": 1}, [0.9]),
    ],
)
def test_a_schedule_gives_the_targets(schedule: dict[str, object], expected: list[float]) -> None:
    params = load("prune", levels="absent", schedule=schedule)
    assert (params.targets, params.levels) == (expected, None)


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"name": "direct"}, Direct(name="direct")),
        ({"name": "noisy_direct", "sigma": 0.1}, NoisyDirect(name="noisy_direct", sigma=0.1)),
        ({"name": "rate", "gain": 0.5}, Rate(name="rate", gain=0.5)),
        ({"name": "latency", "tau": 2.0, "clip": False}, Latency(name="latency", tau=2.0, clip=False)),
        ({"name": "frames"}, Frames(name="frames")),
    ],
)
def test_encodings_are_told_apart_by_name(block: dict[str, Any], expected: object) -> None:
    encoding = load("model", encoding=block).encoding
    assert encoding == expected
    assert type(encoding) is type(expected)


@pytest.mark.parametrize("layers", [[784, 256, 10], "784-256-10", "28x28-12C5-MP2-64C5-MP2-10"])
def test_layers_stay_as_they_were_written(layers: list[int] | str) -> None:
    params = load("model", layers=layers)
    assert params.layers == layers
    assert (params.architecture.inputs, params.architecture.classes) == (784, 10)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("layers", [[4, 2], "4-2", "2x2-3C1-2"])
def test_a_model_survives_json(layers: list[int] | str) -> None:
    params = load("model", layers=layers, encoding={"name": "rate", "gain": 0.3}, beta=0.1)
    assert ModelParams.model_validate_json(params.model_dump_json()) == params


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        ({"betta": 0.9}, ".betta: unknown key", "allowed here: layers, beta, threshold"),
        ({"surrogate": {"alpha": 2.0}}, ".surrogate.alpha: unknown key", "allowed here: name, slope"),
        ({"surrogate": {"name": "boxcar"}}, ".surrogate.name", "'fast_sigmoid'"),
        ({"surrogate": {"slope": 0.0}}, ".surrogate.slope", "greater than 0"),
        (
            {"encoding": {"name": "phase"}},
            ".encoding.name",
            "direct, noisy_direct, rate, latency, frames; found 'phase'",
        ),
        ({"encoding": {"name": "direct", "sigma": 0.1}}, ".encoding.sigma: unknown key", "allowed here: name"),
        ({"encoding": {"name": "noisy_direct", "sigma": -1.0}}, ".encoding.sigma", "found -1.0"),
        ({"encoding": {"sigma": 0.1}}, ".encoding", "name"),
        ({"encoding": {"name": "noisy_direct", "sigma": 1e38}}, ".encoding.sigma", "less than or equal to 1000; found"),
        ({"encoding": {"name": "rate", "gain": 1e39}}, ".encoding.gain", "less than or equal to 1000; found 1e+39"),
        (
            {"encoding": {"name": "latency", "threshold": 0.999}},
            ".encoding.threshold",
            "less than or equal to 0.99",
        ),
        (
            {"encoding": {"name": "latency"}, "timesteps": 1},
            ": encoding latency needs timesteps of at least 2",
            "found",
        ),
        (
            {"encoding": {"name": "latency", "linear": False, "normalize": False, "tau": 1.0}, "timesteps": 4},
            ": encoding.tau: found 1.0; allowed with timesteps 4, threshold 0.01 and linear false is at most 0.247",
            "unless normalize is true",
        ),
        ({"threshold": 1e39}, ".threshold", "less than or equal to 1000; found 1e+39"),
        ({"surrogate": {"slope": 1e39}}, ".surrogate.slope", "less than or equal to 1000; found 1e+39"),
        ({"timesteps": 10**9}, ".timesteps", "less than or equal to 10000; found 1000000000"),
        ({"layers": [4, 10**9, 2]}, ".layers[1]", "less than or equal to 999999; found 1000000000"),
        ({"layers": "4-1000000000-2"}, ".layers", "'1000000000' is no layer"),
        ({"layers": [4]}, ".layers", "at least 2"),
        ({"layers": [4, 0]}, ".layers[1]", "found 0"),
        ({"layers": [4, 2.0]}, ".layers[1]", "valid integer; found 2.0"),
        ({"layers": [4, "2"]}, ".layers[1]", "valid integer; found '2'"),
        ({"layers": 4}, ".layers: allowed are neuron counts ", "or a notation (28x28-12C5-MP2-64C5-MP2-10); found 4"),
        ({"layers": None}, ".layers: allowed are neuron counts ", "found None"),
        ({"layers": "4"}, ".layers", "only the input 4; at least one layer must follow it; found '4'"),
        ({"layers": "4x4-2C5-3"}, ".layers: found 2C5 on 1x4x4", "4 is the largest allowed; found '4x4-2C5-3'"),
        ({"layers": "absent"}, ".layers: missing", ""),
        ({"beta": 1.5}, ".beta", "found 1.5"),
        ({"beta": -0.1}, ".beta", "found -0.1"),
        ({"beta": float("nan")}, ".beta", "finite"),
        ({"threshold": 0.0}, ".threshold", "greater than 0"),
        ({"reset": "none"}, ".reset", "'subtract' or 'zero'"),
        ({"timesteps": 0}, ".timesteps", "found 0"),
        ({"timesteps": 2.5}, ".timesteps", "found 2.5"),
        ({"dropout": 1.0}, ".dropout", "less than 1"),
    ],
)
def test_errors_of_a_model_name_the_key_and_what_is_allowed(change: dict[str, Any], where: str, what: str) -> None:
    with pytest.raises(ParamsError) as caught:
        load("model", **change)
    assert str(caught.value).startswith(f"model{where}") and what in str(caught.value)


@pytest.mark.parametrize(
    ("block", "change", "message"),
    [
        ("train", {"epochs": "absent"}, ".epochs: missing"),
        ("train", {"epochs": 0}, ".epochs: "),
        ("train", {"epochs": 1.5}, ".epochs: "),
        ("train", {"epochs": "3"}, ".epochs: "),
        ("train", {"batch_size": 0}, ".batch_size: "),
        ("train", {"lr": 0.0}, ".lr: "),
        ("train", {"lr": 1.5}, ".lr: "),
        ("train", {"weight_decay": -1e-4}, ".weight_decay: "),
        (
            "train",
            {"momentum": 0.9},
            ".momentum: unknown key; allowed here: epochs, batch_size, lr, optimizer, schedule, ",
        ),
        ("train", {"optimizer": "sgd"}, ".optimizer: "),
        ("train", {"schedule": "step"}, ".schedule: "),
        ("train", {"distillation": {}}, ".distillation: unknown key"),
        ("train", {"augment": {"shift": -1}}, ".augment.shift: "),
        ("train", {"augment": {"rotation": 181.0}}, ".augment.rotation: "),
        (
            "train",
            {"augment": {"flip": True}},
            ".augment.flip: unknown key; allowed here: shift, rotation, elastic, jitter",
        ),
        ("finetune", {"distillation": {"temperature": 0.0}}, ".distillation.temperature: "),
        ("finetune", {"distillation": {"temperature": 101.0}}, ".distillation.temperature: "),
        ("finetune", {"distillation": {"weight": 0.0}}, ".distillation.weight: "),
        ("finetune", {"distillation": {"weight": 1.5}}, ".distillation.weight: "),
        (
            "finetune",
            {"distillation": {"teacher": 1}},
            ".distillation.teacher: unknown key; allowed here: temperature, weight",
        ),
        ("prune", {"levels": "absent"}, EITHER),
        ("prune", {"schedule": LINEAR}, EITHER),
        ("prune", {"levels": []}, ".levels: List should have at least 1 item after validation, not 0; found []"),
        ("prune", {"levels": [0.9, 0.5]}, ".levels: values must rise strictly"),
        ("prune", {"levels": [0.5, 0.5]}, ".levels: values must rise strictly"),
        ("prune", {"levels": [0.5, 1.0]}, ".levels[1]: "),
        ("prune", {"levels": [0.5, 1.5]}, ".levels[1]: "),
        ("prune", {"levels": [0.5, "0.9"]}, ".levels[1]: "),
        ("prune", {"levels": [0.0]}, ".levels[0]: "),
        ("prune", {"levels": [-0.1]}, ".levels[0]: "),
        ("prune", {"schedule": {**LINEAR, "name": "sqrt"}}, ".schedule.name: "),
        ("prune", {"schedule": {**LINEAR, "final": 1.0}}, ".schedule.final: "),
        ("prune", {"schedule": {**LINEAR, "rounds": 0}}, ".schedule.rounds: "),
        ("prune", {"schedule": {"name": "linear", "final": 0.9}}, ".schedule.rounds: missing; it has no default"),
        (
            "prune",
            {"schedule": {**LINEAR, "power": 3}},
            ".schedule.power: unknown key; allowed here: name, final, rounds",
        ),
        ("prune", {"schedule": {**LINEAR, "name": "one_shot"}}, ".schedule: rounds must be 1 with one_shot; found 3"),
        (
            "prune",
            {"schedule": {"name": "cubic", "final": 0.01, "rounds": 50}},
            ".schedule: 50 rounds up to 0.01 are too close to each other; give fewer",
        ),
        ("prune", {"criticality": {"kind": "fisher"}}, ".criticality.kind: "),
        ("prune", {"criticality": {"frozen": 1}}, ".criticality.frozen: "),
        ("prune", {"finetune": {**TRAIN, "distillation": {"weight": 0.0}}}, ".finetune.distillation.weight: "),
        ("prune", {"protocol": "unfair"}, ".protocol: "),
    ],
)
def test_errors_of_training_and_pruning_name_the_key(block: str, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError) as caught:
        load(block, **change)
    assert str(caught.value).startswith(f"{block}{message}")
    assert "\n" not in str(caught.value)


def test_every_problem_is_listed() -> None:
    with pytest.raises(ParamsError) as caught:
        load("model", beta=2.0, dropout=-1.0)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["model.beta", "model.dropout"]


def test_numbers_and_arrays_of_numpy_and_torch_are_pythons_own() -> None:
    levels = (np.float64(0.5), torch.tensor(0.75))
    params = load("prune", levels=levels, finetune={**TRAIN, "epochs": np.int64(3), "lr": np.float32(0.5)})
    assert (params.levels, params.finetune.epochs, params.finetune.lr) == ([0.5, 0.75], 3, 0.5)
    assert type(params.finetune.epochs) is int
    assert load("model", layers=(np.int64(4), torch.tensor(2))) == load("model")
    with pytest.raises(ParamsError, match=r"model.layers\[1\]: .*greater than or equal to 1; found 0"):
        load("model", layers=[4, np.int64(0)])
