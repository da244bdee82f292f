"""Dropout over time: one mask per neuron and sample for all steps, the expectation kept, nothing in evaluation."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import MultiStepDropout, run_fused
from snnprune.core.params import Surrogate


def firing(*shape: int) -> Tensor:
    """A current under which every neuron fires at every step."""
    return torch.full(shape, 2.0)


@pytest.fixture(params=["compiled", "in rows", "float64"])
def dropping(request: pytest.FixtureRequest) -> Callable[[Tensor, float], Tensor]:
    """Spikes for a current [T, B, N], dropped with a probability, by each of the ways there are."""

    def drop(current: Tensor, probability: float) -> Tensor:
        if request.param == "in rows":
            current = current.movedim(-1, 0).contiguous().movedim(0, -1)
        kind = torch.float64 if request.param == "float64" else torch.float32
        return MultiStepLeaky(0.9, 1.0, "subtract", Surrogate()).multi_step(current.to(kind), drop=probability)

    return drop


def test_one_mask_per_sample_for_all_steps(dropping: Callable[[Tensor, float], Tensor]) -> None:
    torch.manual_seed(0)
    dropped = dropping(firing(5, 40, 50), 0.25)
    assert torch.equal(dropped, dropped[:1].expand_as(dropped))
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert len({tuple(sample.tolist()) for sample in dropped[0]}) == 40


def test_expectation_is_kept(dropping: Callable[[Tensor, float], Tensor]) -> None:
    torch.manual_seed(0)
    dropped = dropping(firing(2, 200, 500), 0.25)
    # 100,000 masks of 0 or 4/3: standard error sqrt(1/3) / 316 = 0.0018.
    assert abs(dropped.mean().item() - 1) < 0.01
    assert abs((dropped == 0).double().mean().item() - 0.25) < 0.01


def test_spikes_of_kept_neurons_keep_their_times_and_scale_their_gradient(
    dropping: Callable[[Tensor, float], Tensor],
) -> None:
    current = torch.rand((6, 8, 9), generator=torch.Generator().manual_seed(0)) * 1.5
    results = []
    for probability in (0.0, 0.5):
        leaf = current.clone().requires_grad_()
        spikes = dropping(leaf, probability)
        spikes.sum().backward()
        results.append((spikes.detach(), leaf.grad))
    (spikes, grad), (dropped, dropped_grad) = results
    kept = dropped.sum(0).gt(0) * 2.0
    assert 0.2 < kept.mean() / 2 < 0.6
    assert torch.equal(dropped, spikes * kept)
    fired = spikes.sum(0) > 0  # of the others nobody knows whether they were dropped
    torch.testing.assert_close((dropped_grad * fired).float(), grad * kept)


def test_off_in_evaluation_and_at_zero() -> None:
    for layer in (MultiStepDropout(0.5).eval(), MultiStepDropout(0.0)):
        layers = nn.Sequential(MultiStepLeaky(0.9, 1.0, "subtract", Surrogate()), layer)
        assert run_fused(layers, firing(3, 4, 5), 3, constant=False).eq(1).all()


def test_before_any_neuron_it_is_plain_torch() -> None:
    torch.manual_seed(0)
    dropped = run_fused(nn.Sequential(MultiStepDropout(0.5)), torch.ones(3, 40, 50), 3, constant=False)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(dropped[0], dropped[1])


def test_on_one_step_it_is_plain_torch() -> None:
    step = torch.ones(20, 30)
    torch.manual_seed(0)
    expected = nn.Dropout(0.3)(step)
    torch.manual_seed(0)
    assert torch.equal(MultiStepDropout(0.3)(step), expected)


def test_a_network_run_over_time_draws_one_mask() -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(MultiStepLeaky(0.9, 1.0, "subtract", Surrogate()), MultiStepDropout(0.5))
    output = run_fused(layers, torch.full((6, 7), 2.0), 5, constant=True)  # neurons that fire at every step
    assert torch.equal(output, output[:1].expand_as(output))
    assert set(output.unique().tolist()) == {0.0, 2.0}
