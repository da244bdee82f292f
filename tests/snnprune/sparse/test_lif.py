"""The compiled neurons: where values lie changes no bit, nor do threads; a beta and threshold for each neuron."""

import pytest
import torch
from torch import Tensor

from snnprune.sparse.lif import Lif, Neurons, lie_in_rows, membrane_potentials, run

NEURONS = Neurons(beta=0.9, threshold=1.0, to_zero=False, is_atan=True, slope=2.0)


def current_of(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape))) * 1.6 - 0.1


def in_rows(values: Tensor) -> Tensor:
    """The same values, each neuron's side by side."""
    return values.movedim(-1, 0).contiguous().movedim(0, -1)


def both(current: Tensor, steps: int | None, neurons: Neurons) -> tuple[Tensor, Tensor]:
    """Spikes, and the gradient of a loss that weighs each of them differently."""
    leaf = current.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    spikes = Lif.apply(leaf, steps, neurons)
    weights = torch.randn(spikes.shape, generator=torch.Generator().manual_seed(1))
    return spikes.detach(), torch.autograd.grad((spikes * weights).sum(), leaf)[0]


@pytest.mark.parametrize("batch", [1, 3, 16, 37])
@pytest.mark.parametrize("steps", [None, 6])
@pytest.mark.parametrize("to_zero", [False, True])
def test_where_values_lie_changes_no_bit(batch: int, steps: int | None, to_zero: bool) -> None:
    neurons = Neurons(0.9, 1.0, to_zero, True, 2.0)
    current = current_of(*(() if steps else (5,)), batch, 11)
    (spikes, grad), (spikes_of_rows, grad_of_rows) = (
        both(current, steps, neurons),
        both(in_rows(current), steps, neurons),
    )
    assert torch.equal(spikes, spikes_of_rows) and torch.equal(grad, grad_of_rows)
    assert lie_in_rows(spikes_of_rows) and (batch == 1 or not lie_in_rows(spikes))
    assert 0.05 < spikes.mean() < 0.95


def test_images_keep_their_shape() -> None:
    current = current_of(4, 3, 2, 5, 6)
    spikes, grad = both(current, None, NEURONS)
    flat_spikes, _ = both(current.flatten(2), None, NEURONS)
    assert spikes.shape == grad.shape == current.shape
    assert torch.equal(spikes.flatten(2), flat_spikes)


@pytest.mark.parametrize("to_zero", [False, True])
def test_each_neuron_has_its_beta_and_threshold(to_zero: bool) -> None:
    betas, thresholds = torch.tensor([0.0, 0.5, 0.9, 1.0]), torch.tensor([0.3, 1.0, 1.7, 0.8])
    current = current_of(7, 5, 4)
    for values, steps in ((current, None), (current[0], 7)):
        spikes, grad = both(values, steps, Neurons(betas, thresholds, to_zero, False, 5.0))
        for n, (beta, threshold) in enumerate(zip(betas.tolist(), thresholds.tolist(), strict=True)):
            alone, _ = both(values[..., n : n + 1], steps, Neurons(beta, threshold, to_zero, False, 5.0))
            assert torch.equal(spikes[..., n : n + 1], alone)
        assert grad.shape == values.shape
    neurons, other = Neurons(betas, thresholds, to_zero, False, 5.0), (betas, thresholds)
    potentials, (found, _) = membrane_potentials(current, None, neurons), run(current, None, neurons)
    membrane = torch.zeros(5, 4)
    spiked = torch.zeros(5, 4)
    for t in range(7):  # the equation, written out
        membrane = (
            other[0] * membrane * (1 - spiked) + current[t]
            if to_zero
            else (other[0] * membrane + current[t] - other[1] * spiked)
        )
        spiked = (membrane > other[1]).float()
        torch.testing.assert_close(potentials[t], membrane)
        assert torch.equal(found[t], spiked)


@pytest.mark.parametrize("steps", [None, 6])
@pytest.mark.parametrize("drop", [0.0, 0.4])
def test_a_bias_is_added_to_the_current(steps: int | None, drop: float) -> None:
    current, bias = in_rows(current_of(*(() if steps else (6,)), 20, 5)), torch.linspace(-0.3, 0.3, 5)
    weights = torch.randn((6, 20, 5), generator=torch.Generator().manual_seed(1))
    results = []
    for is_apart in (True, False):
        leaf, added = current.clone().requires_grad_(), bias.clone().requires_grad_()
        torch.manual_seed(0)
        if is_apart:
            spikes = Lif.apply(leaf, steps, NEURONS, drop, added)
        else:
            spikes = Lif.apply(leaf + added, steps, NEURONS, drop)
        (spikes * weights).sum().backward()
        results.append((spikes.detach(), leaf.grad, added.grad))
    (spikes, grad, grad_bias), (expected, expected_grad, expected_bias) = results
    assert torch.equal(spikes, expected) and torch.equal(grad, expected_grad)
    torch.testing.assert_close(grad_bias, expected_bias, rtol=1e-5, atol=1e-5)
    assert 0.05 < spikes.mean() < 0.95


@pytest.mark.parametrize("threads", [2, 3, 64])
def test_threads_change_no_bit(threads: int) -> None:
    before = torch.get_num_threads()
    current = current_of(5, 33, 17)
    results = []
    try:
        for count in (1, threads):
            torch.set_num_threads(count)
            results.append((*both(current, None, NEURONS), *both(in_rows(current), None, NEURONS)))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))
