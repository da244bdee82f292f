"""How a network's own forward wants to be called, and what it returns: found by calling it.

    inside     forward takes samples [B, ...] and loops over its own T steps
    sequence   forward takes all steps [T, B, ...] and loops over them
    outside    forward takes one step [B, ...]; the caller loops, the neurons keep their states (`init_hidden`)

It returns spikes, or (spikes, ..., membranes); each is a tensor [T, B, classes] or a list of T tensors [B, classes] (of
one step: [B, classes]), or the network has summed them up itself, [B, classes]. These are the conventions of snnTorch's
tutorials, and of SpikingJelly's (step_mode "m" takes a sequence). norse's networks may take and return states, too:
forward(x, state) gives (spikes, state); then the caller that loops passes them on, and a sequence's last ones are
dropped.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from snnprune.adapters.neurons import neurons_of, package_of, packages_of, reset_states, watched
from snnprune.core.encoding import encode, is_constant
from snnprune.core.errors import UserError
from snnprune.core.network import evaluating
from snnprune.core.params import Encoding

PROBED = (2, 3)  # samples of the two calls, which tell a loop over samples from one over time steps


@dataclass(frozen=True)
class Convention:
    """Who loops over time (see above), whether a sample is a vector [N] rather than an image [C, H, W], and the name of
    the neurons that are called last. state: whether states are passed on."""

    time: Literal["inside", "sequence", "outside"]
    flat: bool
    last: str
    state: bool


class Unreadable(Exception):
    """A forward returned what is none of the above."""


def call(net: nn.Module, convention: Convention, values: Tensor, constant: bool, steps: int) -> list[Tensor]:
    """Run `steps` steps of encoded values [T, B, ...], or `constant` ones [B, ...], from states of zero. Returns what
    the network does: spikes, ..., membranes, each [T, B, classes], or [1, B, classes] where it sums up itself. Raises
    Unreadable: it returned something else."""
    reset_states(net)
    values = values.flatten(1 if constant else 2) if convention.flat else values
    samples = values.shape[0 if constant else 1]
    if convention.time == "outside":
        outputs, states = [], None
        for step in range(steps):
            output, states = _output(net, convention.state, values if constant else values[step], states)
            outputs.append(_parts(output))
        found = [torch.stack(column) for column in zip(*outputs, strict=True)]
    else:
        if convention.time == "sequence" and constant:
            values = values.expand(steps, *values.shape)
        found = traces(_output(net, convention.state, values)[0], steps)
    return [_by_step(trace, steps, samples) for trace in found]


def _output(net: nn.Module, state: bool, values: Tensor, states: Any = None) -> tuple[Any, Any]:
    """What forward returns, and the states that it returns beside it; None where it knows none. Raises Unreadable."""
    if not state:
        return net(values), None
    found = net(values, states)
    if not isinstance(found, tuple) or len(found) != 2:
        raise Unreadable(f"forward takes a state, but returned {type(found).__name__} instead of (spikes, state)")
    return found


def traces(output: Any, steps: int) -> list[Tensor]:
    """Spikes, ..., membranes of what a forward of all steps returned. Raises Unreadable."""
    if isinstance(output, list) and len(output) == steps:
        if all(isinstance(step, tuple | list) for step in output):  # a pair for each step
            return [torch.stack(column) for column in zip(*output, strict=True)]
        output = (output,)
    return [torch.stack(list(part)) if isinstance(part, list | tuple) else part for part in _parts(output)]


def _parts(output: Any) -> Sequence[Any]:
    parts = output if isinstance(output, tuple | list) else (output,)
    if not parts or not all(isinstance(part, Tensor | tuple | list) for part in parts):
        raise Unreadable(f"forward returned {type(output).__name__}; expected tensors, or lists of tensors")
    return parts


def _by_step(trace: Tensor, steps: int, samples: int) -> Tensor:
    if trace.dim() == 2 and len(trace) == samples:
        return trace[None]
    if trace.dim() < 3 or trace.shape[:2] != (steps, samples):
        raise Unreadable(f"forward returned {list(trace.shape)}; expected [T, B, classes] of T {steps}, B {samples}")
    return trace.flatten(2)


@torch.no_grad()
def find(net: nn.Module, images: Tensor, encoding: Encoding, timesteps: int | None) -> tuple[Convention, int]:
    """The network's convention and its T, tried on three samples [B, C, H, W] or frames [B, T, C, H, W]. `timesteps`
    may be None where the network loops itself. Raises UserError: none fits; says what was tried and what came of it."""
    constant = is_constant(encoding)
    flats = (False, True) if images.dim() > 2 else (False,)
    tried: list[str] = []
    with evaluating(net), torch.random.fork_rng():
        for flat in flats if constant else ():
            if found := _static(net, images.flatten(1) if flat else images, flat, tried):
                convention, own = found
                return convention, _agreed(convention, own, timesteps)
        if timesteps is None and (not constant or tried):
            _missing(tried)
        encoded = encode(images[: PROBED[0]], encoding, timesteps, seed=0)
        encoded = encoded.expand(timesteps, *encoded.shape) if constant else encoded
        for flat in flats:
            values = encoded.flatten(2) if flat else encoded
            for time in ("sequence", "outside"):
                if last := _over_time(net, values, Convention(time, False, "", _passes_state(net)), tried):
                    return Convention(time, flat, last, _passes_state(net)), timesteps
    raise UserError(f"{type(net).__name__}.forward takes none of: {'; '.join(tried)}")


def _static(net: nn.Module, images: Tensor, flat: bool, tried: list[str]) -> tuple[Convention, int] | None:
    """Whether forward takes samples [B, ...]; how many steps it then runs."""
    found = []
    try:
        for samples in PROBED:
            reset_states(net)
            found.append(_counted(net, images[:samples]))
        calls = [max(called.values()) for called, _ in found]
        if calls[0] != calls[1]:
            raise Unreadable("it loops over the samples")
        for samples, (_, output) in zip(PROBED, found, strict=True):
            for trace in traces(output, calls[0]) if calls[0] > 1 else _parts(output):
                _by_step(trace, calls[0], samples)
    except Exception as error:  # of a network that was called the wrong way, whatever it raises
        tried.append(_problem(images[: PROBED[0]], error))
        return None
    called = found[0][0]
    return Convention("inside" if calls[0] > 1 else "outside", flat, list(called)[-1], _passes_state(net)), calls[0]


def _over_time(net: nn.Module, values: Tensor, convention: Convention, tried: list[str]) -> str | None:
    """The neurons called last where forward takes the steps [T, B, ...] so; None where it does not."""
    steps = len(values)
    given = values if convention.time == "sequence" else values[0]
    try:
        reset_states(net)
        called, _ = _counted(net, given)
        if max(called.values()) != (steps if convention.time == "sequence" else 1):
            tried.append(f"{_shape(given)}: it runs {max(called.values())} steps")
            return None
        call(net, convention, values, False, steps)
    except Exception as error:  # as above
        tried.append(_problem(given, error))
        return None
    return list(called)[-1]


def _counted(net: nn.Module, values: Tensor) -> tuple[Counter[str], Any]:
    """How many steps forward ran each of its neurons, the one called last being last, and what it returned."""
    called: Counter[str] = Counter()

    def count(name: str, neuron: nn.Module, given: Tensor, _: Any) -> None:
        called[name] = called.pop(name, 0) + (len(given) if package_of(neuron).takes_all_steps(neuron) else 1)

    with watched(neurons_of(net), count):
        output, _ = _output(net, _passes_state(net), values)
    if not called:
        raise Unreadable("no spiking neuron was called")
    return called, output


def _passes_state(net: nn.Module) -> bool:
    return any(package.passes_state(net) for package in packages_of(net))


def _agreed(convention: Convention, own: int, timesteps: int | None) -> int:
    if convention.time == "outside":
        return _missing([]) if timesteps is None else timesteps
    if timesteps not in (None, own):
        raise UserError(f"timesteps: found {timesteps}; the network's forward runs {own} steps of its own")
    return own


def _missing(tried: list[str]) -> int:
    if tried:
        raise UserError(
            f"the network's forward takes no samples ({'; '.join(tried)}); where it takes all time steps, or one at a "
            "time, give their number: timesteps, such as 10"
        )
    raise UserError(
        "timesteps: missing; the network's forward does not say how many steps it is run: give T, such as 10"
    )


def _problem(values: Tensor, error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{_shape(values)}: {lines[0] if lines else type(error).__name__}"


def _shape(values: Tensor) -> str:
    return f"input {list(values.shape)}"
