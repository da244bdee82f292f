"""The `prune` block: levels or a schedule, and errors that name the key."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.io.params import load_block
from snnprune.core.schema import ParamsError
from snnprune.pruning.params import PruneParams

FINETUNE = {"epochs": 1, "batch_size": 8, "lr": 0.1}


def load(folder: Path, **prune: Any) -> PruneParams:
    """The block as a stage loads it."""
    params = {"experiments": {"x": {"prune": {"finetune": FINETUNE, **prune}}}}
    YAML().dump(params, folder / "params.yaml")
    return load_block("x", "prune", PruneParams, folder / "params.yaml")


def test_levels_are_the_targets(tmp_path: Path) -> None:
    params = load(tmp_path, levels=[0.5, 0.9])
    assert params.targets == [0.5, 0.9]
    assert params.schedule is None


def test_defaults(tmp_path: Path) -> None:
    params = load(tmp_path, levels=[0.5])
    assert (params.protocol, params.scope) == ("fair", "global")
    assert (params.criticality.kind, params.criticality.frozen) == ("sensitivity", False)
    assert params.finetune.distillation is None


@pytest.mark.parametrize(
    ("name", "final", "rounds", "expected"),
    [("one_shot", 0.9, 1, [0.9]), ("linear", 0.9, 3, [0.3, 0.6, 0.9]), ("cubic", 0.96, 2, [0.84, 0.96])],
)
def test_a_schedule_gives_the_targets(
    tmp_path: Path, name: str, final: float, rounds: int, expected: list[float]
) -> None:
    params = load(tmp_path, schedule={"name": name, "final": final, "rounds": rounds})
    assert params.targets == expected
    assert params.levels is None


def test_the_rest_of_the_block(tmp_path: Path) -> None:
    params = load(
        tmp_path,
        levels=[0.5],
        scope="layer",
        criticality={"kind": "membrane", "batches": 2, "batch_size": 3, "frozen": True},
        finetune={**FINETUNE, "optimizer": "adamw", "distillation": {"temperature": 3.0}},
    )
    assert (params.scope, params.criticality.kind, params.criticality.frozen) == ("layer", "membrane", True)
    assert (params.finetune.distillation.temperature, params.finetune.distillation.weight) == (3.0, 0.5)


LINEAR = {"name": "linear", "final": 0.9, "rounds": 3}


@pytest.mark.parametrize(
    ("prune", "message"),
    [
        ({}, ": give either levels, e.g. [0.5, 0.9], or schedule; found "),
        ({"levels": [0.5], "schedule": LINEAR}, ": give either levels, e.g. [0.5, 0.9], or schedule; found "),
        ({"levels": []}, ".levels: List should have at least 1 item after validation, not 0; found []"),
        ({"levels": [0.9, 0.5]}, ".levels: values must rise strictly"),
        ({"levels": [0.5, 0.5]}, ".levels: values must rise strictly"),
        ({"levels": [0.5, 1.0]}, ".levels[1]: "),
        ({"levels": [0.5, 1.5]}, ".levels[1]: "),
        ({"levels": [0.5, "0.9"]}, ".levels[1]: "),
        ({"levels": [0.0]}, ".levels[0]: "),
        ({"levels": [-0.1]}, ".levels[0]: "),
        ({"schedule": {**LINEAR, "name": "sqrt"}}, ".schedule.name: "),
        ({"schedule": {**LINEAR, "final": 1.0}}, ".schedule.final: "),
        ({"schedule": {**LINEAR, "rounds": 0}}, ".schedule.rounds: "),
        ({"schedule": {"name": "linear", "final": 0.9}}, ".schedule.rounds: missing; it has no default"),
        ({"schedule": {**LINEAR, "power": 3}}, ".schedule.power: unknown key; allowed here: name, final, rounds"),
        ({"schedule": {**LINEAR, "name": "one_shot"}}, ".schedule: rounds must be 1 with one_shot; found 3"),
        (
            {"schedule": {"name": "cubic", "final": 0.01, "rounds": 50}},
            ".schedule: 50 rounds up to 0.01 are too close to each other; give fewer",
        ),
        ({"levels": [0.5], "criticality": {"kind": "fisher"}}, ".criticality.kind: "),
        ({"levels": [0.5], "criticality": {"frozen": 1}}, ".criticality.frozen: "),
        (
            {"levels": [0.5], "finetune": {**FINETUNE, "distillation": {"weight": 0.0}}},
            ".finetune.distillation.weight: ",
        ),
        (
            {"levels": [0.5], "finetune": {**FINETUNE, "distillation": {"temprature": 2.0}}},
            ".finetune.distillation.temprature: unknown key; allowed here: temperature, weight",
        ),
        ({"levels": [0.5], "protocol": "unfair"}, ".protocol: "),
    ],
)
def test_errors_name_the_key(tmp_path: Path, prune: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError) as caught:
        load(tmp_path, **prune)
    assert str(caught.value).startswith(f"experiments.x.prune{message}")
    assert "\n" not in str(caught.value)
