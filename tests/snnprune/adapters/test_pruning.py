"""Laws for every pruning method on networks of the user's own: masks, criticality, fine-tuning, the state left."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from snnprune.adapters.adapt import Adapted, adapt
from snnprune.core.dataset import Split
from snnprune.core.errors import UserError
from snnprune.core.training.params import Distillation, FinetuneParams
from snnprune.pruning.iterate import prune_levels
from snnprune.pruning.mask import prunable_weights
from snnprune.pruning.params import CriticalityParams, Pruning
from snnprune.pruning.registry import load_method
from snnprune.pruning.scores import criticality
from snnprune.pruning.select import keep_count
from tests.snnprune.adapters import own_nets
from tests.snnprune.adapters.own_nets import METHODS, STEPS, Kinds, Recurrent, Residual, Static, Step

LEVELS = [0.5, 0.8]
OWN = [Residual, Recurrent, Step]


def data() -> Split:
    generator = torch.Generator().manual_seed(1)
    return Split(3 * torch.rand((40, 1, 6, 6), generator=generator), torch.randint(4, (40,), generator=generator))


def adapted_of(kind: Callable[[], nn.Module], fast: bool = False) -> Adapted:
    torch.manual_seed(0)
    timesteps = None if kind in (Residual, Static) else STEPS
    return adapt(kind(), data().images, timesteps=timesteps, fast=fast)


def pruning(**finetune: object) -> Pruning:
    return Pruning(
        levels=LEVELS,
        criticality=CriticalityParams(batches=2, batch_size=20),
        finetune=FinetuneParams(epochs=2, batch_size=8, lr=0.01, **finetune),
    )


@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("name", METHODS)
def test_every_method_prunes_and_fine_tunes_it(name: str, kind: type) -> None:
    adapted, method = adapted_of(kind), load_method(name)
    before = {key: tensor.clone() for key, tensor in adapted.state_dict().items()}
    size = sum(weight.numel() for weight in prunable_weights(adapted.network).values())
    levels = prune_levels(adapted.network, data(), data(), method, method.params(), pruning(), seed=0)
    for level, found in zip(LEVELS, levels, strict=True):
        assert found.mask.size == size
        assert not method.exact or found.mask.nnz == keep_count(level, size)
        for key, kept in found.mask.items():
            assert not found.parameters[key][~kept].any()
            assert found.parameters[key][kept].all()
    assert levels[1].mask.inside(levels[0].mask)

    state = adapted.state_dict()
    assert list(state) == list(before)
    kind().load_state_dict(state, strict=True)
    named = adapted.mask(levels[-1].mask)
    assert all(not state[key][~kept].any() for key, kept in named.items())
    assert any(not torch.equal(state[key], before[key]) for key in state if not key.endswith(".weight"))


def test_synflow_of_a_forward_of_its_own_is_refused() -> None:
    method = load_method("synflow")
    with pytest.raises(UserError, match="synflow: needs a plain sequence of layers; this network runs its own forward"):
        prune_levels(adapted_of(Residual).network, data(), None, method, method.params(), pruning(), seed=0)


def test_what_solves_layers_refuses_it() -> None:
    adapted, method = adapted_of(Residual), load_method("obs")
    with pytest.raises(UserError, match="obs: is for networks that are a plain sequence of layers"):
        prune_levels(adapted.network, data(), None, method, method.params(), pruning(), seed=0)
    method, params = load_method("magnitude"), pruning().model_copy(update={"compensate": True})
    with pytest.raises(UserError, match="compensate: is for networks that are a plain sequence of layers"):
        prune_levels(adapted.network, data(), None, method, method.params(), params, seed=0)


def test_fine_tuning_trains_what_is_no_synapse_too() -> None:
    adapted = adapted_of(Residual)
    before = adapted.state_dict()
    method = load_method("magnitude")
    prune_levels(adapted.network, data(), None, method, method.params(), pruning(), seed=0)
    after = adapted.state_dict()
    for key in ("norm.weight", "norm.running_mean", "lif1.beta", "lif2.beta", "lif2.threshold", "fc1.bias"):
        assert not torch.equal(before[key], after[key]), key


def test_recurrent_weights_are_pruned() -> None:
    adapted = adapted_of(Recurrent)
    method = load_method("cqp")
    mask = prune_levels(adapted.network, data(), None, method, method.params(), pruning(), seed=0)[-1].mask
    named = adapted.mask(mask)
    assert list(named) == ["fc1.weight", "rlif.recurrent.weight", "fc2.weight", "rsyn.recurrent.weight"]
    assert 0 < named["rlif.recurrent.weight"].count_nonzero() < 144
    again = adapt(adapted.net, data().images, timesteps=STEPS).network
    assert torch.equal(again(data().images), adapted.network(data().images))


def test_its_own_forward_gives_the_state_back_as_it_was() -> None:
    adapted = adapted_of(Kinds)
    for key, tensor in adapted.net.state_dict().items():
        assert torch.equal(adapted.state_dict()[key], tensor)


@pytest.mark.parametrize("kind", [Static, own_nets.sequential])
@pytest.mark.parametrize("name", METHODS)
def test_masks_are_those_of_the_plain_form(name: str, kind: Callable[[], nn.Module]) -> None:
    """One shot: fine-tuning sums in another order in the two."""
    method, params = load_method(name), pruning().model_copy(update={"finetune": None})
    found = []
    for fast in (True, False):
        adapted = adapted_of(kind, fast)
        assert bool(adapted.why) is not fast
        levels = prune_levels(adapted.network, data(), data(), method, method.params(), params, seed=0)
        found.append(([adapted.mask(level.mask) for level in levels], adapted.state_dict()))
    (plain, plain_state), (own, own_state) = found
    for one, other in zip(plain, own, strict=True):
        assert list(one) == list(other)
        assert torch.equal(one.vector(), other.vector())
    assert all(torch.equal(plain_state[key], own_state[key]) for key in own_state)


@pytest.mark.parametrize("kind", ["sensitivity", "taylor", "membrane"])
def test_criticality_is_that_of_the_plain_form(kind: str) -> None:
    plain, own = (
        criticality(adapted.network, [(data().images, data().labels)], kind, seed=0)
        for adapted in (adapted_of(own_nets.sequential, True), adapted_of(own_nets.sequential))
    )
    for one, other in zip(plain.values(), own.values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)


def test_criticality_by_hand() -> None:
    adapted = adapted_of(Residual)
    found = criticality(adapted.network, [(data().images, data().labels)], "sensitivity", seed=0)
    net = copy.deepcopy(adapted.net).eval()
    functional.cross_entropy(net(data().images).sum(0), data().labels).backward()
    for key, weight in prunable_weights(net).items():
        torch.testing.assert_close(found[f"net.{key}"], weight.grad.abs())


def test_membrane_criticality_of_neurons_by_hand() -> None:
    """Both weights of a residual sum feed lif2; atan's derivative is 1 / (1 + (pi * x)^2) at slope 2."""
    adapted, net = adapted_of(Residual), adapted_of(Residual).net
    found = criticality(adapted.network, [(data().images, data().labels)], "membrane", seed=0)
    potentials: list[Tensor] = []
    fire = net.lif2.fire
    net.lif2.fire = lambda membrane: (potentials.append(membrane), fire(membrane))[1]
    net.eval()(data().images)
    distance = torch.stack(potentials).detach() - net.lif2.threshold.detach()
    expected = (1 / (1 + (torch.pi * distance) ** 2)).mean((0, 1))
    for key in ("net.fc1.weight", "net.skip.weight"):
        torch.testing.assert_close(found[key], expected[:, None].expand(12, 36))
    assert found["net.conv.weight"].shape == (4, 1, 3, 3)


def test_membrane_criticality_needs_neurons() -> None:
    with pytest.raises(UserError, match=r"membrane criticality: fc2.weight feeds no spiking neurons"):
        criticality(adapted_of(Kinds).network, [(data().images, data().labels)], "membrane", seed=0)


def test_it_learns_from_the_dense_net(monkeypatch: pytest.MonkeyPatch) -> None:
    """Membrane potentials are no whole numbers, which the table of a teacher's counts holds."""
    torch.manual_seed(0)
    adapted = adapt(Step(), data().images, timesteps=STEPS, readout="mean-membrane")
    monkeypatch.setattr("snnprune.pruning.iterate.table_of", None)
    method = load_method("magnitude")
    params = pruning(distillation=Distillation())
    assert prune_levels(adapted.network, data(), data(), method, method.params(), params, seed=0)
