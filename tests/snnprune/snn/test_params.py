"""The `model` block: defaults, the encodings told apart by name, and errors that name the key."""

from typing import Any

import pytest

from snnprune.core.schema import ParamsError, validate
from snnprune.snn.params import Direct, Latency, ModelParams, NoisyDirect, Rate

KEY = "experiments.digits.model"


def test_defaults_are_snntorchs_neuron_and_the_direct_encoding() -> None:
    params = validate(ModelParams, {"layers": [4, 2]}, KEY)
    assert (params.beta, params.threshold, params.reset, params.dropout) == (0.9, 1.0, "subtract", 0.0)
    assert (params.surrogate.name, params.surrogate.slope) == ("atan", 2.0)
    assert params.timesteps == 10
    assert params.encoding == Direct(name="direct")


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"name": "direct"}, Direct(name="direct")),
        ({"name": "noisy_direct", "sigma": 0.1}, NoisyDirect(name="noisy_direct", sigma=0.1)),
        ({"name": "rate", "gain": 0.5}, Rate(name="rate", gain=0.5)),
        ({"name": "latency", "tau": 2.0, "clip": False}, Latency(name="latency", tau=2.0, clip=False)),
    ],
)
def test_encodings_are_told_apart_by_name(block: dict[str, Any], expected: object) -> None:
    params = validate(ModelParams, {"layers": [4, 2], "encoding": block}, KEY)
    assert params.encoding == expected
    assert type(params.encoding) is type(expected)


@pytest.mark.parametrize("layers", [[784, 256, 10], "784-256-10", "28x28-12C5-MP2-64C5-MP2-10"])
def test_layers_stay_as_they_were_written(layers: list[int] | str) -> None:
    params = validate(ModelParams, {"layers": layers}, KEY)
    assert params.layers == layers
    assert (params.architecture.inputs, params.architecture.classes) == (784, 10)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("layers", [[4, 2], "4-2", "2x2-3C1-2"])
def test_spec_survives_json(layers: list[int] | str) -> None:
    params = validate(ModelParams, {"layers": layers, "encoding": {"name": "rate", "gain": 0.3}, "beta": 0.1}, KEY)
    assert ModelParams.model_validate_json(params.model_dump_json()) == params


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        ({"betta": 0.9}, "betta: unknown key", "allowed here: layers, beta, threshold"),
        ({"surrogate": {"alpha": 2.0}}, "surrogate.alpha: unknown key", "allowed here: name, slope"),
        ({"surrogate": {"name": "boxcar"}}, "surrogate.name", "'fast_sigmoid'"),
        ({"surrogate": {"slope": 0.0}}, "surrogate.slope", "greater than 0"),
        ({"encoding": {"name": "phase"}}, "encoding.name", "direct, noisy_direct, rate, latency; found 'phase'"),
        ({"encoding": {"name": "direct", "sigma": 0.1}}, "encoding.sigma: unknown key", "allowed here: name$"),
        ({"encoding": {"name": "noisy_direct", "sigma": -1.0}}, "encoding.sigma", "found -1.0"),
        ({"encoding": {"sigma": 0.1}}, "encoding", "name"),
        ({"layers": [4]}, "layers", "at least 2"),
        ({"layers": [4, 0]}, "layers[1]", "found 0"),
        ({"layers": [4, 2.0]}, "layers[1]", "valid integer; found 2.0"),
        ({"layers": [4, "2"]}, "layers[1]", "valid integer; found '2'"),
        ({"layers": 4}, "layers", r"allowed are neuron counts .* or a notation \(28x28-12C5.*; found 4$"),
        ({"layers": None}, "layers", "allowed are neuron counts .*; found None$"),
        ({"layers": "4"}, "layers", "only the input 4; at least one layer must follow it; found '4'$"),
        ({"layers": "4x4-2C5-3"}, "layers", "2C5 on 1x4x4 .* 4 is the largest allowed; found '4x4-2C5-3'$"),
        ({"beta": 1.5}, "beta", "found 1.5"),
        ({"beta": -0.1}, "beta", "found -0.1"),
        ({"beta": float("nan")}, "beta", "finite"),
        ({"threshold": 0.0}, "threshold", "greater than 0"),
        ({"reset": "none"}, "reset", "'subtract' or 'zero'"),
        ({"timesteps": 0}, "timesteps", "found 0"),
        ({"timesteps": 2.5}, "timesteps", "found 2.5"),
        ({"dropout": 1.0}, "dropout", "less than 1"),
    ],
)
def test_errors_name_the_key_and_what_is_allowed(change: dict[str, Any], where: str, what: str) -> None:
    with pytest.raises(ParamsError, match=what) as caught:
        validate(ModelParams, {"layers": [4, 2], **change}, KEY)
    assert str(caught.value).startswith(f"{KEY}.{where}")


def test_missing_layers_are_named() -> None:
    with pytest.raises(ParamsError, match=f"^{KEY}.layers: missing"):
        validate(ModelParams, {}, KEY)


def test_every_problem_is_listed() -> None:
    with pytest.raises(ParamsError) as caught:
        validate(ModelParams, {"layers": [4, 2], "beta": 2.0, "dropout": -1.0}, KEY)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [f"{KEY}.beta", f"{KEY}.dropout"]
