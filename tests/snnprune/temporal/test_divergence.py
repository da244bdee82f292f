"""KL over time by hand, against scipy, and its laws."""

import math

import pytest
import torch
from scipy.stats import entropy
from torch import Tensor

from snnprune.temporal.divergence import authors_steps, enough_steps, kl_by_step, kl_of_mean_by_step


def spikes(steps: int = 7, samples: int = 12, classes: int = 4) -> Tensor:
    return (torch.rand((steps, samples, classes), generator=torch.Generator().manual_seed(0)) < 0.4).float()


def softmax(counts: Tensor) -> Tensor:
    return counts.double().exp() / counts.double().exp().sum(-1, keepdim=True)


def test_against_scipy() -> None:
    counts = spikes().cumsum(0)
    last = softmax(counts[-1])
    each = [entropy(last.numpy(), softmax(now).numpy(), axis=1).mean() for now in counts]
    mean = [entropy(last.mean(0).numpy(), softmax(now).mean(0).numpy()) for now in counts]
    assert kl_by_step(spikes()).tolist() == pytest.approx(each, abs=1e-12)
    assert kl_of_mean_by_step(spikes()).tolist() == pytest.approx(mean, abs=1e-12)


def test_laws() -> None:
    each, mean = kl_by_step(spikes()), kl_of_mean_by_step(spikes())
    assert each[-1] == mean[-1] == 0
    assert (each[:-1] > 0).all()
    assert (mean <= each + 1e-12).all()


def test_samples_cancel_in_the_form_of_the_authors_code() -> None:
    early = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    late = early.flip(0) * 2  # both samples change their class
    both = torch.stack([early, late])
    assert kl_by_step(both)[0] > 0.3
    assert kl_of_mean_by_step(both)[0].item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("steps", [770, 790, 3000])
def test_long_runs_of_classes_that_always_and_never_spike(steps: int) -> None:
    """The mean of the silent class underflows to 0, whose logarithm is minus infinity; 0 log 0 is 0."""
    always = torch.zeros(steps, 3, 2)
    always[:, :, 0] = 1
    always[-20:, :, 1] = 2  # the mean is above 0 again in the end
    for spikes_ in (always, always[:-20]):
        each, mean = kl_by_step(spikes_), kl_of_mean_by_step(spikes_)
        assert mean.isfinite().all()
        torch.testing.assert_close(mean, each)  # all samples are alike
        # log 2 - 0 at the first step: p_1 = softmax(1, 0)
        assert mean[0].item() == pytest.approx(math.log1p(math.exp(-1)))
        assert 1 <= authors_steps(mean) <= steps


@pytest.mark.parametrize(
    ("epsilon", "delta", "expected"),
    [(0.5, 0.2, 2), (0.5, 0.02, 3), (0.05, 0.2, 3), (0.0, 0.0, 4), (9.0, 1.0, 1)],
)
def test_enough_steps(epsilon: float, delta: float, expected: int) -> None:
    kl = torch.tensor([1.0, 0.4, 0.04, 0.0])
    accuracy = torch.tensor([0.3, 0.8, 0.95, 0.96])
    assert enough_steps(kl, accuracy, epsilon, delta) == expected


def test_where_the_authors_code_stops() -> None:
    # 1/2 + 1/4 + ... + 1/32 = 31/32, of which 95 % is 0.92: reached with 15/16 at the fourth step
    kl = torch.tensor([0.5, 0.25, 0.125, 0.0625, 0.03125, 0.0])
    assert authors_steps(kl) == 4
    assert authors_steps(kl, share=0.5) == 1
    assert authors_steps(kl, share=1.0) == 5
    assert authors_steps(torch.zeros(3)) == 1
