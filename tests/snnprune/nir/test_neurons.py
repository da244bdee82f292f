"""One step of NIR's neurons: numbers worked out by hand, and snnTorch's neurons."""

import numpy as np
import pytest
import snntorch
import torch
from torch import Tensor

from snnprune.nir.neurons import Constants, Integrators, Neurons, Reset


def constants(beta: float, threshold: float | None = 1.0, **others: float) -> Constants:
    values = {"beta": beta, "gain": 1.0, "leak": 0.0, "threshold": threshold, "v_reset": 0.0} | others
    return Constants(**{key: value if value is None else np.array([value]) for key, value in values.items()})


def run(neurons: Neurons | Integrators, currents: list[float]) -> tuple[list[float], list[float]]:
    """What comes out, and the membrane after each step."""
    state: tuple[Tensor, ...] = ()
    outputs, membranes = [], []
    for current in currents:
        output, *state = neurons(torch.tensor([[current]]), *state)
        outputs.append(output.item())
        membranes.append(round(state[0].item(), 5))
    return outputs, membranes


def test_if_adds_up_and_resets_to_the_files_value_at_once() -> None:
    neurons = Neurons(constants(1.0, v_reset=0.25), Reset("file"))
    assert run(neurons, [0.6, 0.6, 0.6, 0.3]) == ([0, 1, 0, 1], [0.6, 0.25, 0.85, 0.25])


def test_a_spike_needs_more_than_the_threshold() -> None:
    assert run(Neurons(constants(1.0), Reset("file")), [0.5, 0.5, 0.125]) == ([0, 0, 1], [0.5, 1.0, 0.0])


def test_lif_leaks_towards_v_leak() -> None:
    """u = 0.5 u + 2 I + 0.1."""
    neurons = Neurons(constants(0.5, gain=2.0, leak=0.1), Reset("subtract"))
    assert run(neurons, [0.25, 0.5, 0.0]) == ([0, 1, 0], [0.6, 0.4, 0.3])


@pytest.mark.parametrize(
    ("reset", "spikes", "membranes"),
    [
        (Reset("subtract"), [1, 1, 0], [1.0, 0.5, 0.25]),  # 2 - 1; 0.5 + 1 - 1; 0.25
        (Reset("subtract", delay=True), [1, 0, 0], [2.0, 1.0, 0.5]),  # 2; 1 + 1 - 1 is not above; 0.5
        (Reset("subtract", as_snntorch=True), [1, 1, 0], [1.0, 0.5, 0.25]),  # 1 is not above the threshold
        (Reset("zero"), [1, 0, 0], [0.0, 1.0, 0.5]),
        (Reset("zero", delay=True), [1, 0, 0], [2.0, 1.0, 0.5]),
    ],
)
def test_resets_of_a_leaky_neuron(reset: Reset, spikes: list[int], membranes: list[float]) -> None:
    assert run(Neurons(constants(0.5), reset), [2.0, 1.0, 0.0]) == (spikes, membranes)


def test_a_membrane_that_a_subtraction_at_once_leaves_above_the_threshold() -> None:
    """u = 0.5 u + I. NIR: 4 - 1 = 3; 1.5 - 1 = 0.5; 0.25. snnTorch: 4 - 1 = 3; 1.5 - 1 = 0.5 does not fire, and gets
    the 1 back: 1.5; 0.75 - 1 = -0.25, and 0.75."""
    currents = [4.0, 0.0, 0.0]
    assert run(Neurons(constants(0.5), Reset("subtract")), currents) == ([1, 1, 0], [3.0, 0.5, 0.25])
    snntorchs = Neurons(constants(0.5), Reset("subtract", as_snntorch=True))
    assert run(snntorchs, currents) == ([1, 0, 0], [3.0, 1.5, 0.75])


@pytest.mark.parametrize("delay", [True, False])
def test_strongly_driven_neurons_are_snntorchs(delay: bool) -> None:
    """Spikes and potentials, also where a membrane passes many times the threshold."""
    torch.manual_seed(0)
    theirs = snntorch.Leaky(beta=0.9, reset_delay=delay)
    reset = Reset("subtract", delay, as_snntorch=not delay)
    fire, read = Neurons(constants(0.9), reset), Neurons(constants(0.9), reset, "potential")
    membrane, states = torch.zeros(50, 8), [(), ()]
    for current in torch.randn(200, 50, 8) * 3:
        expected, membrane = theirs(current, membrane)
        spikes, *states[0] = fire(current, *states[0])
        potential, *states[1] = read(current, *states[1])
        assert torch.equal(spikes, expected)
        assert torch.equal(potential, membrane)


def test_li_gives_its_membrane() -> None:
    assert run(Integrators(constants(0.5, threshold=None)), [1.0, 0.0, 1.0])[0] == [1.0, 0.5, 1.25]


def test_the_synapses_new_current_drives_the_membrane() -> None:
    """i = 0.5 i + 2 x; u = 0.5 u + i."""
    neurons = Integrators(constants(0.5, threshold=None, alpha=0.5, w_in=2.0))
    assert run(neurons, [1.0, 0.0, 0.0])[0] == [2.0, 2.0, 1.5]


@pytest.mark.parametrize("mechanism", ["subtract", "zero"])
@pytest.mark.parametrize("delay", [True, False])
def test_spikes_are_those_of_snntorch(mechanism: str, delay: bool) -> None:
    """Where a membrane passes twice the threshold snnTorch's reset at once, by subtraction, is another: currents are
    too small for that."""
    torch.manual_seed(0)
    currents = torch.rand(200, 50, 8) * 0.6
    theirs = snntorch.Leaky(beta=0.9, reset_mechanism=mechanism, reset_delay=delay)
    ours = Neurons(constants(0.9), Reset(mechanism, delay))
    membrane, state, fired = torch.zeros(50, 8), (), 0
    for current in currents:
        expected, membrane = theirs(current, membrane)
        spikes, *state = ours(current, *state)
        assert torch.equal(spikes, expected)
        fired += int(spikes.sum())
    assert 5_000 < fired < 75_000


def test_neurons_with_a_synapse_are_snntorchs_synaptic() -> None:
    torch.manual_seed(0)
    theirs = snntorch.Synaptic(alpha=0.8, beta=0.9)
    ours = Neurons(constants(0.9, alpha=0.8, w_in=1.0), Reset("subtract", delay=True))
    synapse, membrane, state = torch.zeros(50, 8), torch.zeros(50, 8), ()
    for current in torch.rand(100, 50, 8) * 0.1:
        expected, synapse, membrane = theirs(current, synapse, membrane)
        spikes, *state = ours(current, *state)
        assert torch.equal(spikes, expected)


def test_gradients_are_snntorchs() -> None:
    torch.manual_seed(0)
    currents = (torch.rand(20, 10, 4, dtype=torch.float64) * 0.6).float()
    gradients = []
    for kind in ("theirs", "ours"):
        given, total = currents.clone().requires_grad_(), 0.0
        if kind == "theirs":
            neurons, state = snntorch.Leaky(beta=0.9), [torch.zeros(10, 4)]
        else:
            neurons, state = Neurons(constants(0.9), Reset("subtract", delay=True)), []
        for step, current in enumerate(given):
            spikes, *state = neurons(current, *state)
            total = total + (spikes * (step + 1)).sum()
        total.backward()
        gradients.append(given.grad)
    assert torch.allclose(*gradients, rtol=1e-5)
