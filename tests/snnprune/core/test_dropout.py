"""Dropout over time: one mask per neuron and sample for all steps, the expectation kept, nothing in evaluation."""

import torch
from torch import nn

from snnprune.core.lif import MultiStepLeaky
from snnprune.core.network import MultiStepDropout, run_fused
from snnprune.core.params import Surrogate


def test_one_mask_per_sample_for_all_steps() -> None:
    torch.manual_seed(0)
    dropped = MultiStepDropout(0.25).multi_step(torch.ones(5, 40, 50))
    assert torch.equal(dropped, dropped[:1].expand_as(dropped))
    assert dropped.unique().tolist() == [0.0, torch.tensor(1 / 0.75).item()]
    assert len({tuple(sample.tolist()) for sample in dropped[0]}) == 40


def test_expectation_is_kept() -> None:
    torch.manual_seed(0)
    dropped = MultiStepDropout(0.25).multi_step(torch.ones(2, 200, 500))
    # 100,000 masks of 0 or 4/3: standard error sqrt(1/3) / 316 = 0.0018.
    assert abs(dropped.mean().item() - 1) < 0.01
    assert abs((dropped == 0).double().mean().item() - 0.25) < 0.01


def test_off_in_evaluation_and_at_zero() -> None:
    spikes = torch.ones(3, 4, 5)
    assert MultiStepDropout(0.5).eval().multi_step(spikes) is spikes
    assert MultiStepDropout(0.0).multi_step(spikes) is spikes


def test_spikes_of_kept_neurons_keep_their_times_and_their_gradient() -> None:
    torch.manual_seed(0)
    spikes = (torch.rand(6, 8, 9) < 0.5).float().requires_grad_()
    dropped = MultiStepDropout(0.5).multi_step(spikes)
    dropped.sum().backward()
    assert torch.equal(dropped, spikes.grad * spikes)
    assert torch.equal(spikes.grad, spikes.grad[:1].expand(6, 8, 9))
    assert spikes.grad.unique().tolist() == [0.0, 2.0]


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
