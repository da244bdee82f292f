"""What is refused when params.yaml is read, before a stage runs, of a network of the user's own."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.experiments import validate_params
from snnprune.core.schema import ParamsError
from tests.tiny import STUDY_BLOCKS, tiny_params, write_params

NETS = """
import snntorch as snn
import torch
from torch import nn

leaky = {"beta": 0.9, "init_hidden": True}


def plain():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 24), snn.Leaky(**leaky), nn.Linear(24, 10), snn.Leaky(**leaky, output=True)
    )


def no_bias():
    net = plain()
    net[1].bias = None
    return net


class Loop(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.lif = nn.Linear(64, 10, bias=False), snn.Leaky(beta=0.9)

    def forward(self, x):
        mem, spikes = self.lif.init_leaky(), []
        for _ in range(4):
            spk, mem = self.lif(self.fc(x.flatten(1)), mem)
            spikes.append(spk)
        return torch.stack(spikes)


class Summed(Loop):
    def forward(self, x):
        return super().forward(x).sum(0)


class Conv(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.lif1 = nn.Conv2d(1, 4, 3, padding=1), snn.Leaky(**leaky)
        self.fc, self.lif2 = nn.Linear(256, 10), snn.Leaky(**leaky, output=True)

    def forward(self, x):
        return self.lif2(self.fc(self.lif1(self.conv(x)).flatten(1)))


def broken():
    raise RuntimeError("on purpose")
"""
IMPOSSIBLE = "is not possible here: the network"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(NETS)
    torch.save({"1.weight": torch.zeros(24, 64), "3.bias": torch.zeros(9), "more": torch.zeros(1)}, "other.pt")
    return tmp_path


def problems(model: dict[str, Any], *studies: str) -> list[str]:
    params = tiny_params(studies=studies)
    digits = params["experiments"]["digits"]
    digits["model"] = model
    write_params(Path(), params)
    try:
        validate_params()
    except ParamsError as error:
        return [line.removeprefix("experiments.digits.") for line in str(error).splitlines()]
    return []


def test_every_study_runs_on_a_plain_sequence_that_is_trained_here() -> None:
    assert problems({"module": "nets.py:plain", "timesteps": 4}, *STUDY_BLOCKS) == []


@pytest.mark.parametrize(
    ("module", "timesteps", "expected"),
    [
        (
            "no_bias",
            4,
            dict.fromkeys(
                ("quantise", "scratch"), f"{IMPOSSIBLE} is no plain sequence of layers: it has a layer Linear(.*)"
            ),
        ),
        (
            "Conv",
            4,
            {
                "quantise": f"{IMPOSSIBLE} is no plain sequence of layers: ",
                "paper": f"{IMPOSSIBLE} has a single input in its first layer, conv.weight",
            },
        ),
        (
            "Loop",
            None,
            dict.fromkeys(
                ("temporal", "energy", "fewer_steps"), f"{IMPOSSIBLE} loops over its 4 steps in its own forward"
            ),
        ),
        (
            "Summed",
            None,
            {
                "temporal": f"{IMPOSSIBLE} loops over its 4 steps",
                "early_exit": f"{IMPOSSIBLE} sums its outputs up over its 4 steps itself",
            },
        ),
    ],
)
def test_a_study_that_a_network_cannot_give_is_refused(module: str, timesteps: int | None, expected: dict) -> None:
    model = {"module": f"nets.py:{module}"} | ({"timesteps": timesteps} if timesteps else {})
    of_plain = {"ann", "quantise", "fewer_steps", "scratch"} - {*expected}
    studies = [study for study in STUDY_BLOCKS if study not in of_plain]
    found = problems(model, *studies)
    for study, text in expected.items():
        assert [line for line in found if line.startswith(f"{study}: {text.split('(')[0]}")], found
    assert {line.partition(":")[0] for line in found} == {*expected} | ({"energy"} if module == "Summed" else set())


def test_zombies_need_a_training() -> None:
    torch.manual_seed(0)
    scope: dict[str, Any] = {}
    exec(NETS, scope)
    torch.save(scope["plain"]().state_dict(), "my.pt")
    model = {"module": "nets.py:plain", "checkpoint": "my.pt", "timesteps": 4}
    assert problems(model, "zombies", "layers") == [
        f"zombies: {IMPOSSIBLE} comes trained, so that there is no state of an optimiser; take the block out"
    ]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (
            {"module": "my_nets.py"},
            "model.module: allowed are <file>.py:<function>, such as my_nets.py:build, and a NIR",
        ),
        ({"module": "no.py:build"}, "model: no.py: no such file"),
        ({"module": "nets.py:plain", "checkpoint": "no.pt"}, "model: no.pt: no such file"),
        ({"module": "no.nir"}, "model: no.nir: no such file"),
        ({"module": "no.nir", "checkpoint": "other.pt"}, "model: checkpoint: no.nir holds its weights itself; remove"),
        (
            {"module": "nets.py:build"},
            "model: nets.py: has no build; found are plain, no_bias, Loop, Summed, Conv, broken",
        ),
        ({"module": "nets.py:broken"}, "model: nets.py:broken: RuntimeError: on purpose (line "),
        ({"module": "nets.py:plain"}, "model: timesteps: missing; the network's forward does not say how many steps"),
        ({"module": "nets.py:Loop", "timesteps": 5}, "model: timesteps: found 5; the network's forward runs 4 steps"),
        (
            {"module": "nets.py:plain", "checkpoint": "other.pt", "timesteps": 4},
            "model: other.pt: does not fit the network; missing: 1.bias, ",
        ),
        (
            {"module": "nets.py:plain", "beta": 0.9},
            "model.beta: unknown key; allowed here: timesteps, encoding, readout, normalize, reset, reset_delay, ",
        ),
        ({"layers": [64, 10], "checkpoint": "my.pt"}, "model.checkpoint: unknown key; allowed here: layers, beta, "),
    ],
)
def test_a_network_that_cannot_be_had_is_named(model: dict[str, Any], expected: str) -> None:
    (found,) = problems(model)
    assert found.startswith(expected)


def test_data_of_another_shape_are_named() -> None:
    params = tiny_params(studies=())
    digits = params["experiments"]["digits"]
    digits["model"] = {"module": "nets.py:plain", "timesteps": 4}
    digits["data"] = {"dataset": "mnist", "validation": 100, "split_seed": 0}  # 28 x 28; the network takes 64 values
    write_params(Path(), params)
    with pytest.raises(ParamsError, match="mat1 and mat2 shapes cannot be multiplied .*784 and 64x24"):
        validate_params()
