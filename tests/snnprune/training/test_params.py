"""The `train` block: defaults and errors that name the key."""

from typing import Any

import pytest

from snnprune.core.schema import ParamsError, validate
from snnprune.training.params import Augment, Distillation, FinetuneParams, FitParams

KEY = "experiments.digits.train"
MINIMAL = {"epochs": 3, "batch_size": 8, "lr": 0.1}


def test_defaults_are_plain_adam() -> None:
    params = validate(FitParams, MINIMAL, KEY)
    assert (params.epochs, params.batch_size, params.lr, params.weight_decay) == (3, 8, 0.1, 0.0)
    assert params.augment == Augment(shift=0, rotation=0.0)
    assert (params.optimizer, params.schedule) == ("adam", "cosine")
    for schedule in ("cosine", "one_cycle", "constant"):
        assert validate(FitParams, {**MINIMAL, "schedule": schedule}, KEY).schedule == schedule
    assert validate(FinetuneParams, MINIMAL, KEY).distillation is None
    assert Distillation() == Distillation(temperature=2.0, weight=0.5)


def test_only_epochs_have_no_default() -> None:
    assert FitParams(epochs=1) == FitParams(epochs=1, batch_size=64, lr=0.002)
    with pytest.raises(ParamsError, match=f"^{KEY}.epochs: missing"):
        validate(FitParams, {}, KEY)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"epochs": 0}, "epochs: "),
        ({"epochs": 1.5}, "epochs: "),
        ({"epochs": "3"}, "epochs: "),
        ({"batch_size": 0}, "batch_size: "),
        ({"lr": 0.0}, "lr: "),
        ({"lr": 1.5}, "lr: "),
        ({"weight_decay": -1e-4}, "weight_decay: "),
        (
            {"momentum": 0.9},
            "momentum: unknown key; allowed here: epochs, batch_size, lr, optimizer, schedule, weight_decay, augment",
        ),
        ({"optimizer": "sgd"}, "optimizer: "),
        ({"schedule": "step"}, "schedule: "),
        ({"distillation": {}}, "distillation: unknown key"),
        ({"augment": {"shift": -1}}, "augment.shift: "),
        ({"augment": {"rotation": 181.0}}, "augment.rotation: "),
        ({"augment": {"flip": True}}, "augment.flip: unknown key; allowed here: shift, rotation"),
    ],
)
def test_errors_name_the_key(change: dict[str, Any], where: str) -> None:
    with pytest.raises(ParamsError) as caught:
        validate(FitParams, {**MINIMAL, **change}, KEY)
    assert str(caught.value).startswith(f"{KEY}.{where}")


@pytest.mark.parametrize(
    ("distillation", "where"),
    [
        ({"temperature": 0.0}, "temperature: "),
        ({"temperature": 101.0}, "temperature: "),
        ({"weight": 0.0}, "weight: "),
        ({"weight": 1.5}, "weight: "),
        ({"teacher": "dense"}, "teacher: unknown key; allowed here: temperature, weight"),
    ],
)
def test_errors_of_distillation_name_the_key(distillation: dict[str, Any], where: str) -> None:
    with pytest.raises(ParamsError) as caught:
        validate(FinetuneParams, {**MINIMAL, "distillation": distillation}, KEY)
    assert str(caught.value).startswith(f"{KEY}.distillation.{where}")
