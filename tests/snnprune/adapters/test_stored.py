"""Networks of the user's own in files: the user's names, what rebuilds them, and what is refused."""

import copy
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

import snnprune
from snnprune.adapters.own import bring
from snnprune.core.checkpoint import NetworkFileError, load_mask, load_network, own_state, save_network
from snnprune.core.errors import UserError
from snnprune.core.network import SpikingNetwork
from snnprune.core.own_model import OwnModel
from snnprune.pruning.mask import Mask, prunable_weights
from tests.imports import PROJECT

NETS = f"import sys\nsys.path.insert(0, {str(PROJECT)!r})\nfrom tests.snnprune.adapters.own_nets import *\n"
SAMPLES = 3 * torch.rand((6, 1, 6, 6), generator=torch.Generator().manual_seed(1))
NORMALIZE = {"mean": 0.5, "std": 2.0}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(NETS)
    return tmp_path


def brought(module: str, **model: object) -> tuple[SpikingNetwork, nn.Module]:
    torch.manual_seed(0)
    adapted = bring(OwnModel(module=module, **model), SAMPLES)
    return adapted.network, adapted.net


@pytest.mark.parametrize(
    ("module", "model"),
    [
        ("nets.py:Residual", {}),
        ("nets.py:Recurrent", {"timesteps": 5, "readout": "mean-membrane", "reset": "zero"}),
        ("nets.py:Step", {"timesteps": 5, "normalize": NORMALIZE, "reset_delay": False}),
        ("nets.py:sequential", {"timesteps": 5}),  # a plain sequence
    ],
)
def test_a_stored_network_does_the_same_and_its_file_has_the_users_names(module: str, model: dict) -> None:
    network, net = brought(module, **model)
    network.train()
    network(SAMPLES).sum().backward()  # BatchNorm's means move
    network.eval()
    mask = Mask({name: weight > 0 for name, weight in prunable_weights(network).items()})
    mask.apply(prunable_weights(network))
    save_network(Path("net.safetensors"), network, mask)
    torch.manual_seed(7)  # build() draws others
    loaded = load_network(Path("net.safetensors"))
    assert torch.equal(loaded(SAMPLES, seed=3), network(SAMPLES, seed=3))
    assert dict(load_mask(Path("net.safetensors"))).keys() == mask.keys()
    with safe_open("net.safetensors", framework="pt") as stored:
        names = {name.removesuffix(".mask").removesuffix(".kept") for name in stored.keys()}  # noqa: SIM118
    assert names == set(net.state_dict())
    fresh = copy.deepcopy(net)
    fresh.load_state_dict(own_state(loaded), strict=True)
    again = Path("again.safetensors")
    save_network(again, loaded, mask)
    assert again.read_bytes() == Path("net.safetensors").read_bytes()


def test_the_recurrent_weights_of_norse_keep_their_names() -> None:
    pytest.importorskip("norse")
    Path("nets.py").write_text(
        "import norse.torch as norse\nfrom torch import nn\n\n\ndef build():\n    return norse.SequentialState(\n"
        "        nn.Flatten(2), norse.LIFRecurrent(36, 12), nn.Linear(12, 4), norse.LIF()\n    )\n"
    )
    network, net = brought("nets.py:build", timesteps=5)
    assert "1.recurrent_weights" in net.state_dict()
    mask = Mask({name: weight > 0 for name, weight in prunable_weights(network).items()})
    mask.apply(prunable_weights(network))
    save_network(Path("net.safetensors"), network, mask)
    loaded = load_network(Path("net.safetensors"))
    assert torch.equal(loaded(SAMPLES), network(SAMPLES))
    assert own_state(loaded).keys() == net.state_dict().keys()
    assert load_mask(Path("net.safetensors")).keys() == mask.keys()


def test_images_are_normalised_before_they_are_encoded() -> None:
    network, net = brought("nets.py:Step", timesteps=5, normalize=NORMALIZE)
    given = (SAMPLES - 0.5) / 2
    expected = snnprune.adapt(net, given, timesteps=5, fast=False).network
    assert torch.equal(network(SAMPLES), expected(given))


def test_a_file_is_of_its_module_and_of_no_other() -> None:
    network, _ = brought("nets.py:Residual")
    save_network(Path("net.safetensors"), network)
    Path("nets.py").write_text(NETS + "# changed\n")
    with pytest.raises(UserError, match=r"^nets\.py: is not the file with which net\.safetensors was made"):
        load_network(Path("net.safetensors"))
    Path("nets.py").unlink()
    with pytest.raises(UserError, match=r"^nets\.py: no such file; net\.safetensors needs it"):
        snnprune.load("net.safetensors")


def test_a_damaged_header_is_named() -> None:
    from safetensors.torch import save_file

    save_file({}, "net.safetensors", metadata={"own": "{}"})
    with pytest.raises(NetworkFileError, match="its header is none that this version allows"):
        load_network(Path("net.safetensors"))


def test_a_network_that_no_file_builds_is_not_saved() -> None:
    from tests.snnprune.adapters.own_nets import Residual

    adapted = snnprune.adapt(Residual(), SAMPLES)
    with pytest.raises(UserError, match=r"save its state dict: adapted\.state_dict\(\)"):
        snnprune.save(adapted.network, "net.safetensors")


@pytest.mark.parametrize("line", ["import beside", "from beside import thing", "from beside.part import thing"])
def test_an_experiments_file_stands_alone(line: str) -> None:
    Path("beside.py").write_text("")
    Path("nets.py").write_text(f"import torch\nimport snnprune.core\n{line}\n")
    with pytest.raises(UserError, match=r"^nets\.py: imports beside from beside it, in which an experiment"):
        bring(OwnModel(module="nets.py:build"), SAMPLES)
