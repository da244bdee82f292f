"""Frames of events through the library: what only their order in time tells apart is learnt, pruned and measured."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

import snnprune
from snnprune.core.dataset import Split
from snnprune.core.training import evaluate
from snnprune.pruning.registry import load_method
from snnprune.pruning.scores import criticality

STEPS, SYNAPSES = 6, 32 * 20 + 20 * 2


def recordings(count: int, seed: int) -> Split:
    """Events on the left half, then on the right one (label 0), or the other way round (1); summed over time the
    classes are alike."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(2, (count,), generator=generator)
    rates = torch.full((2, STEPS, 2, 4, 4), 0.05)
    rates[0, :3, :, :, :2] = rates[0, 3:, :, :, 2:] = rates[1, :3, :, :, 2:] = rates[1, 3:, :, :, :2] = 0.7
    return Split(torch.poisson(rates[labels], generator=generator).byte(), labels)


TRAIN, TEST = recordings(200, 0), recordings(100, 1)
AUGMENT = {"shift": 1, "jitter": 1}
TRAINING = snnprune.Training(epochs=6, batch_size=20, lr=0.01, augment=AUGMENT)
FINETUNE = snnprune.Finetune(epochs=2, batch_size=20, lr=0.005, augment=AUGMENT, distillation=snnprune.Distillation())


def untrained() -> snnprune.SpikingNetwork:
    return snnprune.build([32, 20, 2], timesteps=STEPS, encoding={"name": "frames"}, threshold=0.5)


@pytest.fixture(scope="module")
def net() -> snnprune.SpikingNetwork:
    torch.set_num_threads(1)
    return snnprune.train(untrained(), TRAIN, training=TRAINING)


def weights(network: snnprune.SpikingNetwork) -> list[Tensor]:
    return [parameter.detach() for parameter in network.parameters()]


def test_the_order_of_frames_is_learnt(net: snnprune.SpikingNetwork) -> None:
    assert snnprune.accuracy(net, TEST) > 0.95
    assert snnprune.accuracy(net, Split(TEST.images.flip(1), 1 - TEST.labels)) > 0.9
    shuffled = Split(TEST.images[:, [0, 3, 1, 4, 2, 5]], TEST.labels)
    assert snnprune.accuracy(net, shuffled) < 0.9


def test_a_pruned_net_on_disk_is_what_was_pruned(net: snnprune.SpikingNetwork, tmp_path: Path) -> None:
    pruned = snnprune.prune(net, TRAIN, level=[0.5, 0.85], finetune=FINETUNE, validation=TEST)
    assert pruned.nnz == round(0.15 * SYNAPSES) and pruned.levels[-1].validation > 0.8
    snnprune.save(pruned, tmp_path / "net.safetensors")
    loaded = snnprune.load(tmp_path / "net.safetensors")
    assert loaded.spec.encoding.name == "frames"
    assert torch.equal(loaded(TEST.images), pruned.network(TEST.images))
    assert torch.equal(snnprune.compile(loaded)(TEST.images).argmax(1), loaded(TEST.images).argmax(1))


@pytest.mark.parametrize("method", snnprune.list_methods())
def test_every_method_prunes(net: snnprune.SpikingNetwork, method: str) -> None:
    pruned = snnprune.prune(net, TRAIN, method=method, level=0.75)
    assert pruned.nnz == round(0.25 * SYNAPSES) or not load_method(method).exact


def test_the_same_seed_gives_the_same_bytes() -> None:
    def trained(seed: int) -> list[Tensor]:
        return weights(
            snnprune.train(untrained(), TRAIN, training=TRAINING.model_copy(update={"epochs": 1}), seed=seed)
        )

    assert all(map(torch.equal, trained(4), trained(4)))
    assert not torch.equal(trained(4)[0], trained(5)[0])


def test_counts_as_bytes_and_as_floats_are_the_same_data() -> None:
    training = TRAINING.model_copy(update={"epochs": 1})
    floats = Split(TRAIN.images.float(), TRAIN.labels)
    one, other = (snnprune.train(untrained(), data, training=training) for data in (TRAIN, floats))
    assert all(map(torch.equal, weights(one), weights(other)))
    assert snnprune.accuracy(one, TEST) == snnprune.accuracy(one, Split(TEST.images.float(), TEST.labels))


def test_long_recordings_are_evaluated_a_few_at_a_time(
    net: snnprune.SpikingNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = evaluate.spikes_of(net, TEST)
    monkeypatch.setattr(evaluate, "VALUES", 30 * TEST.images[0].numel())
    assert [len(labels) for _, labels, _ in evaluate.evaluation_batches(TEST)] == [30, 30, 30, 10]
    assert torch.equal(evaluate.spikes_of(net, TEST).argmax(2), whole.argmax(2))
    monkeypatch.setattr(evaluate, "VALUES", 1)
    assert evaluate.batch_size(TEST) == 1


@pytest.mark.parametrize("kind", ["sensitivity", "taylor", "membrane"])
def test_criticality_is_that_of_a_dense_product(net: snnprune.SpikingNetwork, kind: str) -> None:
    """The input that no gradient reaches and the sums in another order leave it what torch's own layer gives."""
    plain = untrained()
    plain.layers[1] = torch.nn.Linear(32, 20)
    plain.load_state_dict(net.state_dict())
    batches = [(TRAIN.images[:64], TRAIN.labels[:64])]
    found, expected = (criticality(network, batches, kind, seed=0) for network in (net, plain))
    for name, layer in expected.items():
        torch.testing.assert_close(found[name], layer, rtol=1e-4, atol=1e-6)
