"""Training that goes to NaN or infinity stops where it does, and neither it nor what it would have made is stored."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

import snnprune
from snnprune.core.checkpoint import copy_parameters
from snnprune.core.dataset import Split
from snnprune.core.errors import NotFiniteError, UserError
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams, NoisyDirect, Surrogate

DATA = torch.rand((40, 1, 4, 4), generator=torch.Generator().manual_seed(0)), torch.arange(40) % 2
TRAINING = snnprune.Training(epochs=2, batch_size=10, lr=0.25)
TRY = r"NaN or infinite; try a lower lr \(found 0.25\), and check threshold, surrogate.slope and encoding of the model$"
SPEC = ModelParams(layers=[16, 8, 2], timesteps=4)
BEYOND = {  # what params no longer allow: float32 overflows, membranes are NaN, neurons silent, and the loss is ln 2
    "slope": SPEC.model_copy(update={"surrogate": Surrogate.model_construct(name="atan", slope=1e39)}),
    "sigma": SPEC.model_copy(update={"encoding": NoisyDirect.model_construct(name="noisy_direct", sigma=1e38)}),
}


def network(spec: ModelParams) -> SpikingNetwork:
    torch.manual_seed(0)
    return build_network(spec)


def loss_at_nan(counts: Tensor, images: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(counts, labels) * math.nan


@pytest.mark.parametrize("beyond", BEYOND)
def test_it_stops_at_the_first_gradient_dense_and_fine_tuned(tmp_path: Path, beyond: str) -> None:
    net, resume = network(BEYOND[beyond]), tmp_path / "state"
    expected = rf"^epoch 1, batch \d of 4: the gradient of layers\.\d\.(weight|bias|values) is {TRY}"
    with pytest.raises(NotFiniteError, match=expected):
        snnprune.train(net, DATA, training=TRAINING, resume=resume)
    assert not resume.exists()
    finetune = snnprune.Finetune(**TRAINING.model_dump())
    with pytest.raises(NotFiniteError, match=expected):
        snnprune.prune(net, DATA, method="magnitude", finetune=finetune)


def test_it_stops_at_the_first_loss() -> None:
    with pytest.raises(NotFiniteError, match=f"^epoch 1, batch 1 of 4: the loss is {TRY}"):
        snnprune.train(network(SPEC), DATA, training=TRAINING, loss=loss_at_nan)


def test_it_stops_at_weights_that_no_gradient_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(optimizer: torch.optim.Optimizer) -> None:
        with torch.no_grad():
            optimizer.param_groups[0]["params"][2][1] = math.inf

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    with pytest.raises(NotFiniteError, match=rf"^epoch 1: the weight of layers.\d.weight is {TRY}"):
        snnprune.train(network(SPEC), DATA, training=snnprune.Training(epochs=1, batch_size=40, lr=0.25))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_net_that_is_not_finite_is_not_saved(tmp_path: Path, value: float) -> None:
    net = network(SPEC)
    with torch.no_grad():
        net.layers[1].weight[0, 3] = value
    with pytest.raises(NotFiniteError, match="net.safetensors: not written, as values of layers.1.weight are NaN"):
        snnprune.save(net, tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())


def test_nothing_is_made_of_a_net_or_of_images_that_are_not_finite(tmp_path: Path) -> None:
    net = network(SPEC)
    with torch.no_grad():
        net.layers[1].weight[0, 3] = math.nan
    with pytest.raises(NotFiniteError, match="^network: layers.1.weight: 1 of 128 numbers are NaN or infinite$"):
        snnprune.prune(net, DATA, method="magnitude")
    save_file(copy_parameters(net), tmp_path / "theirs", {"model": SPEC.model_dump_json()})
    with pytest.raises(UserError, match="theirs: values of layers.1.weight are NaN or infinite$"):
        snnprune.load(tmp_path / "theirs")
    images = DATA[0].clone()
    images[7, 0, 1, 1] = math.inf
    for data in ((images, DATA[1]), Split(images, DATA[1])):
        with pytest.raises(UserError, match="^images: expected numbers, 0..1; found NaN or infinite ones$"):
            snnprune.accuracy(network(SPEC), data)
