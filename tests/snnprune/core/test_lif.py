"""The fused LIF against genuine snnTorch neurons stepped one by one, and against recursions worked by hand."""

import itertools
import math

import pytest
import snntorch
import torch
from snntorch import surrogate as snntorch_surrogate
from torch import Tensor

from snnprune.core.lif import MultiStepLeaky, derivative
from snnprune.core.params import Surrogate

NEURONS = 17
RESETS = ("subtract", "zero")
SURROGATES = (("atan", 2.0), ("atan", 0.5), ("atan", 10.0), ("fast_sigmoid", 25.0), ("fast_sigmoid", 1.0))


def genuine(beta: float, threshold: float, reset: str, surrogate: Surrogate) -> snntorch.Leaky:
    """The neuron as a user of snnTorch makes it, sharing no code with the project."""
    if surrogate.name == "atan":
        spike_grad = snntorch_surrogate.atan(alpha=surrogate.slope)
    else:
        spike_grad = snntorch_surrogate.fast_sigmoid(slope=surrogate.slope)
    return snntorch.Leaky(beta=beta, threshold=threshold, reset_mechanism=reset, spike_grad=spike_grad)


def stepped(neuron: snntorch.Leaky, current: Tensor, steps: int | None) -> Tensor:
    """Spikes [T, B, N] of `neuron` called step by step; with `steps`, on the constant current [B, N]."""
    currents = current.unbind(0) if steps is None else [current] * steps
    membrane = torch.zeros_like(currents[0])
    outputs = []
    for now in currents:
        spikes, membrane = neuron(now, membrane)
        outputs.append(spikes)
    return torch.stack(outputs)


def relative_error(found: Tensor, expected: Tensor) -> float:
    return ((found - expected).norm() / expected.norm()).item()


def agree(neuron: tuple[float, float, str, Surrogate], steps: int, batch: int, constant: bool) -> float:
    """Hold spikes and gradients of the fused form (beta, threshold, reset, surrogate) against snnTorch; the spike rate.

    The loss weighs every spike differently, so that no step's gradient can hide behind another's.
    """
    generator = torch.Generator().manual_seed(steps * 1000 + batch)
    shape = (batch, NEURONS) if constant else (steps, batch, NEURONS)
    # Currents of 0 .. 1.5 thresholds, a tenth of them negative: some neurons stay silent, some fire at every step.
    current = (torch.rand(shape, generator=generator) * 1.65 - 0.15) * neuron[1]
    weights = torch.randn((steps, batch, NEURONS), generator=generator)
    total = steps if constant else None

    results = []
    loop = genuine(*neuron)
    for run in (MultiStepLeaky(*neuron).multi_step, lambda values, count: stepped(loop, values, count)):
        leaf = current.clone().requires_grad_()
        spikes = run(leaf, total)
        (spikes * weights).sum().backward()
        results.append((spikes.detach(), leaf.grad))

    (fused, fused_grad), (expected, expected_grad) = results
    assert torch.equal(fused, expected)
    assert expected_grad.norm() > 0
    assert relative_error(fused_grad, expected_grad) < 1e-5
    return expected.mean().item()


@pytest.mark.parametrize("constant", [True, False], ids=["constant", "varying"])
@pytest.mark.parametrize(("name", "slope"), SURROGATES)
@pytest.mark.parametrize("reset", RESETS)
def test_spikes_and_gradients_are_snntorchs(reset: str, name: str, slope: float, constant: bool) -> None:
    sizes = itertools.product((1, 2, 5, 25), (1, 32), (0.0, 0.5, 0.9, 1.0))
    surrogate = Surrogate(name=name, slope=slope)
    for steps, batch, beta in sizes:
        rate = agree((beta, 1.0, reset, surrogate), steps, batch, constant)
        assert 0.01 < rate < 0.99, (steps, batch, beta)


@pytest.mark.parametrize("threshold", [0.3, 0.7, 1.0, 2.5])
@pytest.mark.parametrize("reset", RESETS)
def test_every_threshold(reset: str, threshold: float) -> None:
    for constant in (True, False):
        assert 0.01 < agree((0.9, threshold, reset, Surrogate()), 10, 64, constant) < 0.99


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("level", [0.0, 50.0])
def test_silent_and_saturated_neurons(reset: str, level: float) -> None:
    current = torch.full((4, 3, 2), level)
    neuron = MultiStepLeaky(0.9, 1.0, reset, Surrogate())
    expected = stepped(genuine(0.9, 1.0, reset, Surrogate()), current, None)
    assert torch.equal(neuron.multi_step(current), expected)
    assert expected.mean() == float(level > 0)


def test_a_potential_on_the_threshold_is_no_spike() -> None:
    neuron = MultiStepLeaky(0.5, 1.0, "subtract", Surrogate())
    current = torch.tensor([[1.0, 1.0 + 2**-23]])
    assert neuron.multi_step(current, 1).tolist() == [[[0.0, 1.0]]]


def test_image_shaped_currents() -> None:
    current = torch.rand((3, 2, 4, 5, 6), generator=torch.Generator().manual_seed(0)) * 1.5
    neuron = MultiStepLeaky(0.9, 1.0, "subtract", Surrogate())
    spikes = neuron.multi_step(current)
    assert spikes.shape == current.shape
    assert torch.equal(spikes, stepped(genuine(0.9, 1.0, "subtract", Surrogate()), current, None))
    assert 0.01 < spikes.mean() < 0.99


def test_a_current_that_is_not_contiguous() -> None:
    rows = torch.rand((2, 3, 8), generator=torch.Generator().manual_seed(1)) * 1.5
    neuron = MultiStepLeaky(0.9, 1.0, "zero", Surrogate())
    for current in (rows[:, :, ::2], rows.transpose(0, 1), rows[:1].expand(5, 3, 8)):
        results = []
        for values in (current, current.contiguous()):
            leaf = values.detach().requires_grad_()
            spikes = neuron.multi_step(leaf)
            (spikes * torch.arange(spikes.numel()).view(spikes.shape)).sum().backward()
            results.append((spikes.detach(), leaf.grad))
        assert torch.equal(results[0][0], results[1][0])
        assert torch.equal(results[0][1], results[1][1])


def test_called_on_one_step_it_is_plain_snntorch() -> None:
    current = torch.tensor([[0.4, 1.2, 3.0]])
    membrane = torch.tensor([[0.5, 1.5, 0.0]])
    found = MultiStepLeaky(0.9, 1.0, "subtract", Surrogate())(current, membrane)
    expected = genuine(0.9, 1.0, "subtract", Surrogate())(current, membrane)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)


def test_second_derivatives_are_refused() -> None:
    leaf = torch.tensor([[0.4, 1.2]], requires_grad=True)
    spikes = MultiStepLeaky(0.9, 1.0, "subtract", Surrogate()).multi_step(leaf, 3)
    (grad,) = torch.autograd.grad(spikes.square().sum(), leaf, create_graph=True)
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
    neuron = MultiStepLeaky(0.5, 1.0, reset, Surrogate(name="fast_sigmoid", slope=2.0))
    spikes = neuron.multi_step(current)
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
    spikes = MultiStepLeaky(0.5, 1.0, "subtract", Surrogate()).multi_step(current, 3)
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
