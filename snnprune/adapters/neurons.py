"""Spiking neurons inside a network of any shape and of any known package: where they are, what they do."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from snnprune.adapters.packages.package import Package
from snnprune.adapters.packages.snntorch import DELAYED, STATE_FUNCTIONS, SnnTorch
from snnprune.adapters.packages.snntorch import reset_of as reset_of
from snnprune.core.errors import UserError
from snnprune.core.own_model import Reset

PACKAGES = {  # imported name -> the file that knows its neurons, loaded only where a network has modules of it
    name: f"snnprune.adapters.packages.{name}" for name in ("snntorch", "spikingjelly", "norse")
}


@cache
def _package(kind: type) -> Package | None:
    """Of which package a kind of module is, itself or by what it is derived from."""
    roots = (base.__module__.partition(".")[0] for base in kind.__mro__)
    return next((import_module(PACKAGES[root]).PACKAGE for root in roots if root in PACKAGES), None)


def package_of(neuron: nn.Module) -> Package:
    """Whose neuron it is; `neuron` is one of `neurons_of`."""
    return _package(type(neuron))


def packages_of(net: nn.Module) -> list[Package]:
    """The packages that modules of `net` are of."""
    return list(dict.fromkeys(package for module in net.modules() if (package := _package(type(module)))))


def neurons_of(net: nn.Module) -> dict[str, nn.Module]:
    """Name -> spiking neurons, in the order of the modules. Raises UserError: there are none."""
    found = {
        name: module
        for name, module in net.named_modules()
        if (package := _package(type(module))) and package.is_neuron(module)
    }
    if not found:
        examples = ", ".join(package.example for package in packages_of(net)) or SnnTorch.example
        known = "snnTorch's, SpikingJelly's or norse's"
        raise UserError(f"{type(net).__name__}: no spiking neurons; expected some of {known}, such as {examples}")
    return found


def reset_states(net: nn.Module) -> None:
    """Every neuron's state is as before the first step and belongs to no graph."""
    for package in packages_of(net):
        package.reset_states(net)


def set_reset(net: nn.Module, reset: Reset | None, reset_delay: bool | None) -> None:
    """Give all neurons another reset, and let it act a step later (snnTorch's default) or at once; None: as it is.
    Raises UserError: a neuron of this kind cannot reset at once, or is none of snnTorch's."""
    for name, neuron in neurons_of(net).items():
        package = package_of(neuron)
        if (reset, reset_delay) != (None, None) and not isinstance(package, SnnTorch):
            raise UserError(
                f"{name}: reset and reset_delay are for snnTorch's neurons; {package.name}'s reset as build() made "
                f"{type(neuron).__name__}: give it its v_reset there"
            )
        if reset is not None:
            neuron.reset_mechanism = reset
            neuron.state_function = getattr(neuron, STATE_FUNCTIONS[reset])
        if reset_delay is not None and hasattr(neuron, DELAYED):
            neuron.reset_delay = reset_delay
        elif reset_delay is False:
            raise UserError(
                f"{name}: reset_delay false is not possible; snntorch.{type(neuron).__name__} has no such reset"
            )


@contextmanager
def watched(modules: dict[str, nn.Module], after: Callable[[str, nn.Module, Tensor, Any], None]) -> Iterator[None]:
    """While in here, `after(name, module, input, output)` is called after each call of one of the `modules`."""
    hooks = [
        module.register_forward_hook(lambda module, given, output, name=name: after(name, module, given[0], output))
        for name, module in modules.items()
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def watched_distances(neurons: dict[str, nn.Module], seen: Callable[[str, nn.Module, Tensor], None]) -> Iterator[None]:
    """While in here, `seen(name, neuron, distance)` is called at every step with the membrane potentials, minus the
    threshold, that the neurons fire by."""
    with ExitStack() as stack:
        for name, neuron in neurons.items():
            stack.enter_context(package_of(neuron).distances(neuron, partial(seen, name, neuron)))
        yield


@contextmanager
def watched_potentials(neuron: nn.Module) -> Iterator[list[Tensor]]:
    """While in here, a list grows with the neuron's membrane potentials, [steps, B, ...], after each of its calls."""
    package, found = package_of(neuron), []

    def after(_: str, neuron: nn.Module, given: Tensor, output: Any) -> None:
        potential = package.potential(neuron, output)
        found.append(potential if package.takes_all_steps(neuron) else potential[None])

    with package.recording(neuron), watched({"": neuron}, after):
        yield found


def surrogate_derivative(neuron: nn.Module, distance: Tensor) -> Tensor:
    """The neuron's surrogate derivative at a distance from its threshold, in its shape. Raises UserError: it has
    none."""
    package, distance = package_of(neuron), distance.detach().requires_grad_()
    with torch.enable_grad():
        spikes = package.surrogate(neuron, distance)
        if not spikes.requires_grad:
            raise UserError(f"{package.name}'s {type(neuron).__name__}: its surrogate gradient is switched off")
        return torch.autograd.grad(spikes.sum(), distance)[0]
