"""The fused LIF against genuine snnTorch neurons stepped one by one, and against recursions worked by hand."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from snnprune.core.lif import MultiStepLeaky, derivative
from snnprune.core.params import ModelParams, Surrogate
from tests.snnprune import snntorch_loop

NEURONS = 17
RESETS = ("subtract", "zero")
SURROGATES = (("atan", 2.0), ("atan", 0.5), ("atan", 10.0), ("fast_sigmoid", 25.0), ("fast_sigmoid", 1.0))


def fused(beta: float, reset: str, threshold: float = 1.0, surrogate: Surrogate | None = None) -> MultiStepLeaky:
    return MultiStepLeaky(beta, threshold, reset, surrogate or Surrogate())


def stepped(neuron: MultiStepLeaky, current: Tensor, steps: int | None) -> Tensor:
    """Spikes [T, B, N] of snnTorch's neuron of the same kind; with `steps`, on the constant current [B, N]."""
    kind = {"beta": neuron.beta.item(), "threshold": neuron.threshold.item(), "reset": neuron.reset_mechanism}
    loop = snntorch_loop.leaky(ModelParams(layers=[1, 1], surrogate=neuron.surrogate, **kind))
    return snntorch_loop.run([loop], current if steps is None else [current] * steps)[0]


def agree(neuron: MultiStepLeaky, steps: int, batch: int, constant: bool) -> float:
    """Hold the neuron's spikes and gradients against snnTorch; returns the spike rate.

    The loss weighs every spike differently, so that no step's gradient can hide behind another's.
    """
    generator = torch.Generator().manual_seed(steps * 1000 + batch)
    shape = (batch, NEURONS) if constant else (steps, batch, NEURONS)
    # Currents of 0 .. 1.5 thresholds, a tenth of them negative: some neurons stay silent, some fire at every step.
    current = (torch.rand(shape, generator=generator) * 1.65 - 0.15) * neuron.threshold
    weights = torch.randn((steps, batch, NEURONS), generator=generator)
    results = []
    for run in (MultiStepLeaky.multi_step, stepped):
        leaf = current.clone().requires_grad_()
        spikes = run(neuron, leaf, steps if constant else None)
        (spikes * weights).sum().backward()
        results.append((spikes.detach(), leaf.grad))
    (found, found_grad), (expected, expected_grad) = results
    assert torch.equal(found, expected)
    assert expected_grad.norm() > 0
    assert (found_grad - expected_grad).norm() < 1e-5 * expected_grad.norm()
    return expected.mean().item()


@pytest.mark.parametrize("constant", [True, False], ids=["constant", "varying"])
@pytest.mark.parametrize(("name", "slope"), SURROGATES)
@pytest.mark.parametrize("reset", RESETS)
def test_spikes_and_gradients_are_snntorchs(reset: str, name: str, slope: float, constant: bool) -> None:
    for steps, batch, beta in itertools.product((1, 2, 5, 25), (1, 32), (0.0, 0.5, 0.9, 1.0)):
        rate = agree(fused(beta, reset, surrogate=Surrogate(name=name, slope=slope)), steps, batch, constant)
        assert 0.01 < rate < 0.99, (steps, batch, beta)


@pytest.mark.parametrize("threshold", [0.3, 0.7, 1.0, 2.5])
@pytest.mark.parametrize("reset", RESETS)
def test_every_threshold(reset: str, threshold: float) -> None:
    for constant in (True, False):
        assert 0.01 < agree(fused(0.9, reset, threshold), 10, 64, constant) < 0.99


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("level", [0.0, 50.0])
def test_silent_and_saturated_neurons(reset: str, level: float) -> None:
    neuron, current = fused(0.9, reset), torch.full((4, 3, 2), level)
    expected = stepped(neuron, current, None)
    assert torch.equal(neuron.multi_step(current), expected)
    assert expected.mean() == float(level > 0)


def test_a_potential_on_the_threshold_is_no_spike() -> None:
    assert fused(0.5, "subtract").multi_step(torch.tensor([[1.0, 1.0 + 2**-23]]), 1).tolist() == [[[0.0, 1.0]]]


def test_a_current_that_is_not_contiguous() -> None:
    rows = torch.rand((2, 3, 8), generator=torch.Generator().manual_seed(1)) * 1.5
    for current in (rows[:, :, ::2], rows.transpose(0, 1), rows[:1].expand(5, 3, 8)):
        results = []
        for values in (current, current.contiguous()):
            leaf = values.detach().requires_grad_()
            spikes = fused(0.9, "zero").multi_step(leaf)
            (spikes * torch.arange(spikes.numel()).view(spikes.shape)).sum().backward()
            results.append((spikes.detach(), leaf.grad))
        assert torch.equal(results[0][0], results[1][0])
        assert torch.equal(results[0][1], results[1][1])


def test_second_derivatives_are_refused() -> None:
    leaf = torch.tensor([[0.4, 1.2]], requires_grad=True)
    (grad,) = torch.autograd.grad(fused(0.9, "subtract").multi_step(leaf, 3).square().sum(), leaf, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


# One neuron, beta 1/2, threshold 1, fast sigmoid of slope 2: h(x) = 1 / (2|x| + 1)^2. Loss = 1 S0 + 2 S1 + 4 S2 + 8 S3.
CURRENT = [1.5, 1.0, 1.25, 0.25]
LOSS_WEIGHTS = [1.0, 2.0, 4.0, 8.0]

# Reset by subtraction, U[t] = U[t-1]/2 + I[t] - S[t-1]:
#   U = 1.5,  0.75 + 1 - 1 = 0.75,  0.375 + 1.25 = 1.625,  0.8125 + 0.25 - 1 = 0.0625;  S = 1, 0, 1, 0
#   x = U - 1 = 0.5, -0.25, 0.625, -0.9375;  2|x| + 1 = 2, 1.5, 2.25, 2.875;  h = 1/4, 4/9, 16/81, 64/529
#   dI3 = 8 * 64/529,  dI2 = 4 * 16/81 + dI3/2,  dI1 = 2 * 4/9 + dI2/2,  dI0 = 1/4 + dI1/2
SUBTRACT_3 = 8 * 64 / 529
SUBTRACT_2 = 4 * 16 / 81 + SUBTRACT_3 / 2
SUBTRACT_1 = 2 * 4 / 9 + SUBTRACT_2 / 2
SUBTRACT_0 = 1 / 4 + SUBTRACT_1 / 2

# Reset to zero, U[t] = (1 - S[t-1]) U[t-1]/2 + I[t]:
#   U = 1.5,  0 + 1 = 1 (on the threshold: no spike),  0.5 + 1.25 = 1.75,  0 + 0.25 = 0.25;  S = 1, 0, 1, 0
#   x = 0.5, 0, 0.75, -0.75;  2|x| + 1 = 2, 1, 2.5, 2.5;  h = 1/4, 1, 4/25, 4/25
#   a spike cuts the path through time: dI3 = 8 * 4/25,  dI2 = 4 * 4/25,  dI1 = 2 * 1 + dI2/2,  dI0 = 1/4
ZERO = [1 / 4, 2 + 0.64 / 2, 0.64, 1.28]


@pytest.mark.parametrize(
    ("reset", "gradient"),
    [("subtract", [SUBTRACT_0, SUBTRACT_1, SUBTRACT_2, SUBTRACT_3]), ("zero", ZERO)],
)
def test_recursion_worked_by_hand(reset: str, gradient: list[float]) -> None:
    current = torch.tensor(CURRENT, dtype=torch.float64).view(4, 1, 1).requires_grad_()
    spikes = fused(0.5, reset, surrogate=Surrogate(name="fast_sigmoid", slope=2.0)).multi_step(current)
    (spikes.flatten() * torch.tensor(LOSS_WEIGHTS, dtype=torch.float64)).sum().backward()
    assert spikes.flatten().tolist() == [1.0, 0.0, 1.0, 0.0]
    assert spikes.dtype == torch.float64
    assert current.grad.flatten().tolist() == pytest.approx(gradient, rel=1e-13)


def test_constant_current_worked_by_hand() -> None:
    # I = 0.75, beta 1/2, threshold 1, subtraction: U = 0.75, 1.125, 0.5625 + 0.75 - 1 = 0.3125;  S = 0, 1, 0
    # x = -0.25, 0.125, -0.6875;  atan of slope 2: h = 1 / (1 + (pi x)^2)
    # Loss = S0 + S1 + S2: dU2 = h2, dU1 = h1 + dU2/2, dU0 = h0 + dU1/2, and dI is their sum.
    h0, h1, h2 = (1 / (1 + (math.pi * x) ** 2) for x in (-0.25, 0.125, -0.6875))
    current = torch.tensor([[0.75]], dtype=torch.float64, requires_grad=True)
    spikes = fused(0.5, "subtract").multi_step(current, 3)
    spikes.sum().backward()
    assert spikes.flatten().tolist() == [0.0, 1.0, 0.0]
    expected = h2 + (h1 + h2 / 2) + (h0 + (h1 + h2 / 2) / 2)
    assert current.grad.item() == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(
    ("name", "slope", "expected"),
    [
        # slope/2 / (1 + (pi/2 * slope * x)^2) at x = 0 and x = 1/pi: 2 / 1 and 2 / (1 + 2^2)
        ("atan", 4.0, [2.0, 0.4]),
        # 1 / (slope |x| + 1)^2 at x = 0 and x = 1/pi
        ("fast_sigmoid", 4.0, [1.0, 1 / (4 / math.pi + 1) ** 2]),
    ],
)
def test_surrogate_derivatives_by_hand(name: str, slope: float, expected: list[float]) -> None:
    distance = torch.tensor([0.0, 1 / math.pi, -1 / math.pi], dtype=torch.float64)
    before = distance.clone()
    found = derivative(Surrogate(name=name, slope=slope), distance)
    assert found.tolist() == pytest.approx([*expected, expected[1]], rel=1e-13)
    assert torch.equal(distance, before)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_one_step_of_plain_snntorch_keeps_the_type(kind: torch.dtype) -> None:
    neuron = fused(0.5, "subtract").to(kind)
    spikes, potentials = neuron(torch.tensor([[0.5, 2.0]], dtype=kind), torch.zeros(1, 2, dtype=kind))
    assert spikes.dtype == potentials.dtype == kind
    assert spikes.tolist() == [[0.0, 1.0]]
