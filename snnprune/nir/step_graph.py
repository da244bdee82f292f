"""A NIR file's network as the graph of a step, from which it is exported to other targets."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from snnprune.adapters.step_graph import INPUT, SCORES, Node, StepGraph
from snnprune.adapters.step_neurons import StepNeurons
from snnprune.core.own_model import Readout
from snnprune.nir.network import STATEFUL, Place, StepNetwork
from snnprune.nir.neurons import Integrators, Reset
from snnprune.nir.package import NirError


def step_graph(network: StepNetwork, readout: Readout = "count", last: str = "") -> StepGraph:
    """The same function. Nodes have the names of the file; one that a recurrent edge leaves stands before what it leads
    to, and so reads the spikes of the step before. readout: one of membrane potentials takes those of `last`, the
    module that is called last of those that spike, where they are as many as the outputs, else the outputs.
    Raises NirError: neurons whose constants or reset `StepNeurons` cannot express, or whose potential is read beside
    their spikes; a recurrent edge that is no layer between neurons."""
    places, shapes = _ordered(network), _shapes(network)
    read = _read(network, shapes, last) if readout != "count" else None
    names = {place.name: _name(place.name, network) for place in places} | {network.input: INPUT}
    nodes = {}
    for place in places:
        module, shape = network.module(place.name), shapes[place.name]
        if isinstance(module, STATEFUL):
            module = _neurons(place.name, module, shape, place.name == read)
        reads = tuple(names[source] for source in (*place.now, *place.before))
        nodes[names[place.name]] = Node(module, reads, shape)
    return StepGraph(nodes, network.input_shape, (names[network.output],), SCORES[readout])


def _read(network: StepNetwork, shapes: Mapping[str, tuple[int, ...]], last: str) -> str | None:
    """The neurons whose potential a read-out takes; None: the outputs. Raises NirError: something else reads them."""
    name = next(place.name for place in network.places if network.module(place.name) is network.get_submodule(last))
    if shapes[name] != shapes[network.output]:
        return None
    readers = [place for place in network.places if name in (*place.now, *place.before)]
    if [reader.name for reader in readers] != [network.output] or readers[0].now != (name,):
        raise NirError(
            f"node {name}: the read-out takes its membrane potential, but more than the output reads the node, which "
            "cannot be exported; possible is the read-out count"
        )
    return name


def _name(name: str, network: StepNetwork) -> str:
    """Of a node, as the graph of a step calls its input `INPUT`."""
    return f"{name}_" if name == INPUT != network.input else name


@torch.no_grad()
def _shapes(network: StepNetwork) -> dict[str, tuple[int, ...]]:
    """Of every node's value, without the batch."""
    found: dict[str, tuple[int, ...]] = {}

    def note(name: str, output: object) -> None:
        value = output[0] if isinstance(output, tuple) else output
        found[name] = tuple(value.shape[1:])

    hooks = [
        network.module(place.name).register_forward_hook(lambda _, args, output, name=place.name: note(name, output))
        for place in network.places
    ]
    network.step(next(network.buffers()).new_zeros(1, *network.input_shape))
    for hook in hooks:
        hook.remove()
    return found


def _ordered(network: StepNetwork) -> Sequence[Place]:
    """The nodes, layers that recurrent edges leave before what these lead to. Raises NirError: as `step_graph`."""
    order = list(network.places)
    for place in network.places:
        for source in place.before:
            if isinstance(network.module(source), STATEFUL):
                continue
            layer = next(other for other in order if other.name == source)
            later = {other.name for other in order[order.index(place) :]}
            readers = {other.name for other in order if source in (*other.now, *other.before)}
            spikes = all(isinstance(network.module(read), STATEFUL) and read in later for read in layer.now)
            if not spikes or layer.before or readers != {place.name}:
                raise NirError(
                    f"node {source}: its value of the step before goes to {place.name}; possible are a layer that "
                    "only leads from neurons back to themselves or to earlier ones, and spikes themselves"
                )
            order.remove(layer)
            order.insert(order.index(place), layer)
    return order


def _neurons(name: str, module: nn.Module, shape: tuple[int, ...], is_read: bool) -> StepNeurons:
    """Potentials are counted in units in which an input adds itself: thresholds are divided by its factor. For spikes a
    reset to zero is the same at once and with the next update; so is one by subtraction where beta is 1. is_read: the
    potential is what they give, also where the file does not say so."""
    integrates, constants = isinstance(module, Integrators), module.constants
    reset = Reset("zero") if integrates else module.reset
    mechanism, is_read = reset.mechanism, integrates or is_read or module.gives == "potential"
    gain = constants.gain * (1 if constants.w_in is None else constants.w_in)
    if (np.asarray(constants.leak) != 0).any() or not (np.asarray(gain) > 0).all():
        raise NirError(f"node {name}: v_leak other than 0, or r or w_in not above 0, cannot be exported")
    if mechanism == "file" and (np.asarray(constants.v_reset) != 0).any():
        raise NirError(f"node {name}: v_reset other than 0 cannot be exported; reset to zero or by subtraction can")
    if is_read and (np.asarray(gain, np.float32) != 1).any():
        raise NirError(f"node {name}: its potential is read; r dt/tau w_in other than 1 cannot be exported then")
    at_once = mechanism == "subtract" and not (reset.delay or reset.as_snntorch)
    if at_once and (is_read or (np.asarray(constants.beta) != 1).any()):
        raise NirError(
            f"node {name}: subtraction at once where beta is below 1 or the potential is read cannot be exported; "
            "possible are subtraction one step later (--reset-delay) and a reset to zero"
        )

    def float32(value: np.ndarray) -> np.ndarray:
        array = np.asarray(value, np.float32)
        return array.reshape(-1) if array.size == 1 else np.broadcast_to(array, shape).copy()

    return StepNeurons(
        beta=float32(constants.beta),
        threshold=float32(np.ones(1) if integrates else constants.threshold / gain),
        alpha=None if constants.alpha is None else float32(constants.alpha),
        reset="none" if integrates else "subtract" if mechanism == "subtract" else "zero",
        delayed=reset.delay or not (is_read or reset.as_snntorch),
        gives="potential" if is_read else "spikes",
    )
