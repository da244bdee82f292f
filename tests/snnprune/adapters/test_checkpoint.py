"""Other people's checkpoints: every form of them, and what is said of one that does not fit."""

from collections.abc import Callable
from pathlib import Path

import pytest
import snntorch as snn
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from snnprune.adapters.checkpoint import load_checkpoint
from snnprune.core.errors import UserError
from tests.snnprune.adapters.own_nets import Residual, Step

State = dict[str, Tensor]
FORMS: dict[str, Callable[[State], object]] = {
    "whole": lambda state: state,
    "nested": lambda state: {"epoch": 3, "model_state_dict": state, "optimizer_state_dict": {"state": {0: state}}},
    "deep": lambda state: {"run": {"best": {"net": state}}, "loss": [0.1, 0.2]},
    "beside another": lambda state: {"ema": dict([*state.items()][:3]), "model": state},
    "DataParallel": lambda state: {"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}},
    "compiled": lambda state: {f"module._orig_mod.{name}": tensor for name, tensor in state.items()},
    "of an older snnTorch": lambda state: {
        name: tensor for name, tensor in state.items() if not name.endswith(("graded_spikes_factor", "mechanism_val"))
    },
}


def trained(kind: type = Residual) -> nn.Module:
    torch.manual_seed(1)
    return kind()


@pytest.mark.parametrize("form", FORMS)
def test_a_file_of_torch(form: str, tmp_path: Path) -> None:
    net, found = trained(), Residual()
    net.norm.running_mean.fill_(0.5)
    torch.save(FORMS[form](net.state_dict()), tmp_path / "my.pt")
    load_checkpoint(found, tmp_path / "my.pt")
    assert all(torch.equal(tensor, found.state_dict()[name]) for name, tensor in net.state_dict().items())


def test_a_file_of_safetensors(tmp_path: Path) -> None:
    net, found = trained(), Residual()
    save_file(net.state_dict(), tmp_path / "my.safetensors")
    load_checkpoint(found, tmp_path / "my.safetensors")
    assert all(torch.equal(tensor, found.state_dict()[name]) for name, tensor in net.state_dict().items())


def test_all_names_that_do_not_fit_are_listed(tmp_path: Path) -> None:
    state = trained(Step).state_dict()
    del state["fc1.bias"]
    state |= {"fc2.weight": torch.zeros(5, 12), "fc3.weight": torch.zeros(2), "fc1.old": torch.zeros(1)}
    torch.save(state, tmp_path / "my.pt")
    net = Step()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(UserError) as raised:
        load_checkpoint(net, tmp_path / "my.pt")
    assert str(raised.value) == (
        f"{tmp_path / 'my.pt'}: does not fit the network; missing: fc1.bias; unexpected: fc3.weight, fc1.old; of "
        "another shape: fc2.weight [5, 12], in the network [4, 12]"
    )
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


class Carrier:
    """Something that is not unpickled."""


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.write_bytes(b"nothing"), "holds more than tensors and plain values|damaged"),
        (lambda path: torch.save(Carrier(), path), "holds more than tensors and plain values.*state_dict"),
        (lambda path: torch.save(nn.Linear(36, 4), path), "holds more than tensors and plain values.*state_dict"),
        (lambda path: torch.save({"loss": [1.0]}, path), "found no state dict in it"),
        (lambda path: torch.save({"fc1.weight": torch.full((12, 36), torch.nan)}, path), "missing: fc1.bias"),
        (
            lambda path: torch.save({**Step().state_dict(), "fc1.bias": torch.full((12,), torch.inf)}, path),
            "values of fc1.bias are NaN or infinite",
        ),
        (
            lambda path: torch.save(Step(reset_mechanism="zero").state_dict(), path),
            "lif1 was saved with reset zero, the network has subtract",
        ),
    ],
)
def test_what_is_no_checkpoint_of_it(write: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    write(tmp_path / "my.pth")
    with pytest.raises(UserError, match=message):
        load_checkpoint(Step(), tmp_path / "my.pth")


def test_a_damaged_file_of_safetensors(tmp_path: Path) -> None:
    (tmp_path / "my.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match="damaged, or no checkpoint"):
        load_checkpoint(Step(), tmp_path / "my.safetensors")


def test_constants_of_the_neurons_come_from_the_file(tmp_path: Path) -> None:
    net = Step()
    net.lif1.beta.fill_(0.7)
    torch.save(net.state_dict(), tmp_path / "my.pt")
    found = Step()
    load_checkpoint(found, tmp_path / "my.pt")
    assert found.lif1.beta.item() == pytest.approx(0.7)
    assert isinstance(found.lif1, snn.Leaky)
