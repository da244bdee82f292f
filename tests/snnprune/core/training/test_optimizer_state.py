"""Adam's state as tensors: named after its parameters, and given to another optimiser to the bit."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams
from snnprune.core.training.fit import make_optimizer
from snnprune.core.training.optimizer_state import optimizer_tensors, restore_optimizer
from snnprune.core.training.params import FitParams

IMAGES = torch.rand((20, 1, 4, 4), generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(20) % 3


def network() -> SpikingNetwork:
    torch.manual_seed(1)
    return build_network(ModelParams(layers=[16, 20, 3], timesteps=4, threshold=0.3))


def optimizer_of(net: SpikingNetwork, kind: str = "adam") -> torch.optim.Adam:
    return make_optimizer(net, FitParams(epochs=1, batch_size=1, lr=0.01, weight_decay=0.01, optimizer=kind))


def train(net: SpikingNetwork, optimizer: torch.optim.Adam, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        functional.cross_entropy(net(IMAGES), LABELS).backward()
        optimizer.step()


def test_named_after_their_parameters_and_copied() -> None:
    net = network()
    optimizer = optimizer_of(net)
    assert optimizer_tensors(net, optimizer) == {}
    train(net, optimizer, 4)
    tensors = optimizer_tensors(net, optimizer)
    shapes = {name: list(parameter.shape) for name, parameter in net.named_parameters()}
    assert {name: list(tensor.shape) for name, tensor in tensors.items()} == {
        f"{name}.{key}": [] if key == "step" else shape
        for name, shape in shapes.items()
        for key in ("exp_avg", "exp_avg_sq", "step")
    }
    assert tensors["layers.1.weight.step"] == 4
    assert tensors["layers.1.weight.exp_avg"].abs().sum() > 0
    train(net, optimizer, 1)
    assert tensors["layers.1.weight.step"] == 4


@pytest.mark.parametrize("kind", ["adam", "adamw"])
def test_round_trip_goes_on_with_the_same_bits(kind: str) -> None:
    net, other = network(), network()
    optimizer, restored = optimizer_of(net, kind), optimizer_of(other, kind)
    train(net, optimizer, 3)
    state, kept = optimizer_tensors(net, optimizer), optimizer_tensors(net, optimizer)
    other.load_state_dict(net.state_dict())
    restore_optimizer(other, restored, state)
    require_equal(optimizer_tensors(other, restored), state)
    train(net, optimizer, 3)
    train(other, restored, 3)
    require_equal(optimizer_tensors(other, restored), optimizer_tensors(net, optimizer))
    require_equal(other.state_dict(), net.state_dict())
    require_equal(state, kept)  # steps after the restoring leave the given tensors alone


def require_equal(left: dict[str, Tensor], right: dict[str, Tensor]) -> None:
    assert left.keys() == right.keys()
    for name, tensor in right.items():
        assert torch.equal(left[name], tensor), name


def test_tensors_of_another_network_are_refused() -> None:
    net = network()
    optimizer = optimizer_of(net)
    train(net, optimizer, 1)
    state = optimizer_tensors(net, optimizer)
    few = {name: tensor for name, tensor in state.items() if name != "layers.3.bias.step"}
    for wrong in (few, {**state, "layers.5.bias.step": state["layers.3.bias.step"]}, {}):
        with pytest.raises(ValueError, match="optimiser state does not fit the network"):
            restore_optimizer(network(), optimizer_of(network()), wrong)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_restored_on_a_gpu_it_trains() -> None:
    net = network()
    optimizer = optimizer_of(net)
    train(net, optimizer, 3)
    other = network().cuda()
    restored = optimizer_of(other)
    restore_optimizer(other, restored, optimizer_tensors(net, optimizer))
    functional.cross_entropy(other(IMAGES.cuda()), LABELS.cuda()).backward()
    restored.step()
    assert int(restored.state[other.layers[1].weight]["step"]) == 4
