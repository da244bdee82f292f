"""Accuracy: hand-worked with a stub net, ties, batches, and nothing of the net or the generator changed."""

import pytest
import torch
from torch import Tensor

from snnprune.core.checkpoint import copy_parameters
from snnprune.core.dataset import Split
from snnprune.core.errors import DataError, UserError
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams, Rate
from snnprune.core.training import evaluate
from snnprune.core.training.evaluate import accuracy, accuracy_under, spikes_of


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_data_need_not_lie_on_the_network_s_device() -> None:
    network = build_network(ModelParams(layers=[3, 3])).cuda()
    data = split([[[0.1, 0.2, 0.9]]], [2])
    assert accuracy(network, data) == accuracy(network, data.to(torch.device("cuda")))


class Stub(SpikingNetwork):
    """A net whose spike counts are the images themselves."""

    def __init__(self) -> None:
        super().__init__(ModelParams(layers=[3, 3]), [])
        self.modes: list[bool] = []

    def spikes(self, images: Tensor, **_: object) -> Tensor:
        self.modes.append(self.training)
        return images[None]


def split(counts: list[list[float]], labels: list[int]) -> Split:
    return Split(torch.tensor(counts), torch.tensor(labels))


def test_accuracy_by_hand() -> None:
    # Predicted 1, 0, 2, 2 against 1, 0, 0, 2: three of four.
    counts = [[0.0, 5.0, 1.0], [9.0, 1.0, 1.0], [0.0, 1.0, 2.0], [0.0, 0.0, 1.0]]
    assert accuracy(Stub(), split(counts, [1, 0, 0, 2])) == 0.75


def test_ties_go_to_the_lowest_class() -> None:
    counts = [[4.0, 4.0, 4.0], [1.0, 4.0, 4.0], [0.0, 0.0, 0.0]]
    assert accuracy(Stub(), split(counts, [0, 1, 0])) == 1.0
    assert accuracy(Stub(), split(counts, [1, 2, 2])) == 0.0


@pytest.mark.parametrize("training", [True, False])
def test_measures_in_evaluation_mode_and_puts_the_mode_back(training: bool) -> None:
    network = Stub().train(training)
    accuracy(network, split([[1.0, 0.0, 0.0]], [0]))
    assert network.modes == [False]
    assert network.training is training


def test_batches_of_any_size_are_joined_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.arange(21.0).view(7, 3)
    monkeypatch.setattr(evaluate, "BATCH_SIZE", 3)
    network = Stub()
    assert torch.equal(spikes_of(network, Split(images, torch.zeros(7, dtype=torch.int64)))[0], images)
    assert len(network.modes) == 3


def noisy() -> tuple[SpikingNetwork, Split]:
    torch.manual_seed(0)
    spec = ModelParams(layers=[16, 30, 4], timesteps=8, threshold=0.2, encoding=Rate(name="rate"), dropout=0.5)
    images = torch.rand((40, 1, 4, 4), generator=torch.Generator().manual_seed(0))
    return build_network(spec), Split(images, torch.arange(40) % 4)


def test_the_result_is_fixed_whatever_the_global_generator_holds() -> None:
    network, data = noisy()
    torch.manual_seed(1)
    first = spikes_of(network, data)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert torch.equal(spikes_of(network, data), first) and not first.requires_grad
    assert torch.equal(torch.get_rng_state(), state)
    assert first.sum(0).mean() > 0.1


def test_each_batch_has_a_draw_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    network, data = noisy()
    monkeypatch.setattr(evaluate, "BATCH_SIZE", 20)
    twice = Split(data.images[:20].repeat(2, 1, 1, 1), data.labels)
    counts = spikes_of(network, twice)
    assert not torch.equal(counts[:, :20], counts[:, 20:])


@pytest.mark.parametrize("layers", [["layers.1.weight"], ["layers.1.weight", "layers.4.weight"]])
def test_a_relaxed_mask_multiplies_the_weights_and_all_is_put_back(layers: list[str]) -> None:
    (network, data), (other, _) = noisy(), noisy()
    factors = {name: torch.rand_like(network.get_parameter(name)) for name in layers}
    for name in layers:
        other.get_parameter(name).data *= factors[name]
    data = Split(data.images, spikes_of(other, data).sum(0).argmax(1))  # which the net itself does not always say
    assert accuracy_under(network, factors, data) == 1 > accuracy(network, data)
    before = copy_parameters(noisy()[0])
    assert all(torch.equal(tensor, before[name]) for name, tensor in copy_parameters(network).items())


def test_data_must_fit_the_network() -> None:
    network, (images, labels) = build_network(ModelParams(layers=[16, 4])), (torch.rand(6, 1, 4, 4), torch.arange(6))
    with pytest.raises(DataError, match="labels: the network has the classes 0 to 3; found 0 to 5"):
        accuracy(network, (images, labels))
    with pytest.raises(DataError, match=r"images: the network takes \[16\] a sample; found \[1, 4, 3\]"):
        accuracy(network, (images[..., :3], labels % 4))
    with pytest.raises(UserError, match="network: expected one of build, load or train, .*; found Linear"):
        accuracy(torch.nn.Linear(16, 4), (images, labels % 4))
