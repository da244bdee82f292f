"""Finds the graph of one time step by following one run of the user's own forward: calls of modules by hooks, and what
happens between them by the operations that torch carries out."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import torch
from snntorch import SpikingNeuron
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from snnprune.adapters.convention import call
from snnprune.adapters.network import AdaptedNetwork, reads_neurons
from snnprune.adapters.neurons import neurons_of, package_of
from snnprune.adapters.step_graph import INPUT, SCORES, Node, Scores, StepGraph
from snnprune.adapters.step_neurons import require_known
from snnprune.adapters.tensor_operations import changes_its_input, follow, is_zero, name_of
from snnprune.adapters.values import POTENTIAL, STATE, Value
from snnprune.core.encoding import encode, is_constant
from snnprune.core.errors import UserError
from snnprune.core.network import evaluating
from snnprune.core.own_model import Readout
from snnprune.nir.network import StepNetwork
from snnprune.nir.step_graph import step_graph

SAMPLES = 2
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


@torch.no_grad()
def trace(network: AdaptedNetwork) -> StepGraph:
    """The graph of one step of an adapted network in evaluation mode. Nodes have their modules' names in the user's
    network (a module that is called in two places has two nodes); what torch's functions do without a module is called
    after what it reads, such as `conv1.flatten`. A NIR file's network is a graph already.

    Raises UserError: neurons of another kind; something between the modules that has no place in such a graph (anything
    but sums, changes of shape and pooling); a state that is not the neuron's own of the step before; recurrence outside
    RLeaky and RSynaptic; neurons of which both spikes and potential are read. Names it.
    """
    spec = network.spec
    if isinstance(network.net, StepNetwork):
        return step_graph(network.net, spec.readout, spec.convention.last)
    for name, neuron in neurons_of(network.net).items():
        require_known(name, neuron)
    generator = torch.Generator().manual_seed(0)
    device = next(network.parameters()).device
    images = torch.rand(SAMPLES, *spec.sample_shape, generator=generator).to(device)
    constant = is_constant(spec.encoding)
    values = encode(images, spec.encoding, spec.timesteps, seed=0)
    found = _Trace(spec.timesteps)
    with evaluating(network), torch.random.fork_rng(devices=[]), found.watching(network.net, spec, constant), found:
        outputs = call(network.net, spec.convention, values, constant, spec.timesteps)
        value = found.output(outputs, network)
    return found.graph(value.names, _scores(value, spec.readout, spec.timesteps))


class _Trace(TorchDispatchMode):
    """The values of tensors, and the nodes, so far."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.input_shape: tuple[int, ...] = ()
        self.nodes: dict[str, Node] = {}
        self._values: dict[int, tuple[Tensor, Value]] = {}  # by identity, so the tensors are kept
        self._names: dict[tuple[Any, ...], str] = {}
        self._calls: dict[str, int] = {}
        self._inside = 0  # modules whose operations are their own

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = operation(*args, **(kwargs or {}))
        if self._inside:
            return output
        name = name_of(operation)
        if (kwargs or {}).get("alpha", 1) != 1:
            name = f"{name} with a factor"
        with self._paused():
            found = follow(self, name, args, output)
            if found is not None and changes_its_input(operation) and name != "add_":
                raise UserError(f"{name} changes {self._values[id(args[0])][1] if args else ''} in place; not possible")
            if isinstance(found, Value):
                self._keep(output, found)
            elif found is not None:
                for tensor, value in zip(output, found, strict=True):
                    self._keep(tensor, value)
        return output

    def value(self, tensor: Any) -> Value | None:
        kept = self._values.get(id(tensor))
        return None if kept is None else kept[1]

    def node(self, name: str, module: nn.Module, given: Value, output: Tensor) -> Value:
        if given.problem:
            return given
        before = given.names[0].removesuffix(POTENTIAL)
        return self._stateless((name, str(module)), f"{before}.{name}", module, given, output)

    @contextmanager
    def watching(self, net: nn.Module, spec: Any, constant: bool) -> Iterator[None]:
        """While in here, calls of `net` and of its modules are recorded."""
        with ExitStack() as hooks:
            for name, module in _leaves(net).items():
                after = self._after_neurons if isinstance(module, SpikingNeuron) else self._after_module
                for hook in (
                    module.register_forward_pre_hook(lambda *_: self._enter()),
                    module.register_forward_hook(
                        lambda module, args, kwargs, output, name=name, after=after: self._leave(
                            after, name, module, (*args, *kwargs.values()), output
                        ),
                        with_kwargs=True,
                    ),
                ):
                    hooks.callback(hook.remove)
            start = net.register_forward_pre_hook(lambda _, args: self._start(args[0], spec.convention.time, constant))
            hooks.callback(start.remove)
            yield

    def output(self, outputs: list[Tensor], network: AdaptedNetwork) -> Value:
        """What the network's read-out reads. Raises UserError: it is no sum of nodes' values."""
        readout, last = network.spec.readout, network.spec.convention.last
        neuron = network.net.get_submodule(last)
        if readout != "count" and reads_neurons(outputs, package_of(neuron).potential(neuron, None)):
            return Value((last + POTENTIAL,), "sequence")
        value = self.value(outputs[0 if readout == "count" else -1])
        if value is None:
            raise UserError("the network's output does not depend on its input")
        self._require(value, "the network's output is")
        return value

    def graph(self, output: tuple[str, ...], scores: Scores) -> StepGraph:
        """Of the nodes that the output depends on. Raises UserError: neurons' spikes and potentials are both read."""
        read, waiting = set(), list(output)
        while waiting:
            name = waiting.pop()
            if name != INPUT and name not in read:
                read.add(name)
                waiting += self.nodes[name.removesuffix(POTENTIAL)].reads
        potentials = frozenset(name.removesuffix(POTENTIAL) for name in read if name.endswith(POTENTIAL))
        if both := sorted(potentials & read):
            raise UserError(
                f"{both[0]}: its membrane potential is read and its spikes too, which cannot be exported; possible is "
                "one of them"
            )
        nodes = {
            name: replace(node, reads=tuple(source.removesuffix(POTENTIAL) for source in node.reads))
            for name, node in self.nodes.items()
            if name in read or name in potentials
        }
        output = tuple(name.removesuffix(POTENTIAL) for name in output)
        return StepGraph(nodes, self.input_shape, output, scores, potentials)

    def _start(self, given: Tensor, time: str, constant: bool) -> None:
        if time == "outside":
            step = self._calls[INPUT] = self._calls.get(INPUT, -1) + 1
            value = Value((INPUT,), "constant" if constant else step)
        else:
            value = Value((INPUT,), "constant" if time == "inside" else "sequence")
        self.input_shape = tuple(given.shape[2 if time == "sequence" else 1 :])
        self._keep(given, value)

    def _enter(self) -> None:
        self._inside += 1

    def _leave(self, after: Any, name: str, module: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        self._inside -= 1
        with self._paused():
            value = self.value(given[0]) if given else None
            if value is None:
                raise UserError(f"{name}: reads something that does not depend on the network's input")
            self._require(value, f"{name}: reads")
            after(name, module, value, given, output)

    def _after_module(self, name: str, module: nn.Module, value: Value, given: tuple[Any, ...], output: Any) -> None:
        if not isinstance(output, Tensor) or any(self.value(other) is not None for other in given[1:]):
            raise UserError(f"{name}: {type(module).__name__} has several inputs or outputs; possible is one")
        self._keep(output, self._stateless((name,), name, module, value, output))

    def _after_neurons(self, name: str, neuron: nn.Module, value: Value, given: tuple[Any, ...], output: Any) -> None:
        step = self._calls[name] = self._calls.get(name, -1) + 1
        if value.when not in (step, "constant"):
            raise UserError(f"{name}: is not called once in a step, on values of that step")
        for state in given[1:]:
            self._require_own(name, step, state)
        spikes, *states = output if isinstance(output, tuple) else (output,)
        node = Node(neuron, value.names, tuple(spikes.shape[1:]))
        if self.nodes.setdefault(name, node).reads != node.reads:
            before = " + ".join(self.nodes[name].reads)
            raise UserError(f"{name}: reads {value} at step {step}, and {before} at the first; expected the same")
        self._keep(spikes, Value((name,), step))
        for state in states:
            self._keep(state, Value((name + STATE,), step))
        self._keep(package_of(neuron).potential(neuron, output), Value((name + POTENTIAL,), step))

    def _require_own(self, name: str, step: int, state: Any) -> None:
        value, own = self.value(state), [(name + kind,) for kind in ("", POTENTIAL, STATE)]
        if value is None:
            if state is None or is_zero(state):
                return
        elif not value.problem and value.names in own and value.when == step - 1:
            return
        found = "no state of a neuron" if value is None else value.problem or f"{value}, step {value.when}"
        raise UserError(f"{name}: step {step} starts from {found}; expected its own state of the step before")

    def _require(self, value: Value, where: str) -> None:
        """Raises UserError: the value is no sum of nodes' values."""
        if value.problem:
            raise UserError(
                f"{where} {value.problem}, which cannot be exported; possible between modules are sums, changes of "
                "shape and pooling"
            )
        if states := [name for name in value.names if name.endswith(STATE)]:
            synapse = states[0].removesuffix(STATE)
            raise UserError(f"{where} the current of a synapse of {synapse}; possible are spikes and potentials")

    def _stateless(self, key: tuple[str, ...], name: str, module: nn.Module, value: Value, output: Tensor) -> Value:
        """A module's value; of a further place in the step where it is called a node of its own."""
        if value.is_over_time:
            return value.failed(f"{name} of what is made of all steps of {value}")
        known = self._names.get((*key, value.names))
        if known is None:
            known, number = name, 2
            while known in self.nodes or known == INPUT:
                known, number = f"{name}_{number}", number + 1
            self._names[*key, value.names] = known
            shape = output.shape[2 if value.when == "sequence" else 1 :]
            self.nodes[known] = Node(module, value.names, tuple(shape))
        return Value((known,), value.when)

    def _keep(self, tensor: Tensor, value: Value) -> None:
        self._values[id(tensor)] = tensor, value

    @contextmanager
    def _paused(self) -> Iterator[None]:
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1


def _scores(value: Value, readout: Readout, steps: int) -> Scores:
    """What the read-out makes of an output. Raises UserError: nothing that can be exported."""
    if value.when == "sequence":
        return SCORES[readout]
    if value.when == ("total", steps - 1):
        return "mean" if readout == "mean-membrane" else "sum"
    if readout != "mean-membrane" and value.when in ("mean", "last"):
        return value.when
    raise UserError(
        f"the network's output is {value}, of other steps than the read-out {readout} needs; possible are those of all "
        "steps, their sum and, unless it is mean-membrane, their mean or those of the last step"
    )


def _leaves(net: nn.Module) -> dict[str, nn.Module]:
    """Name -> the modules that are nodes: torch's own, and neurons; a user's own are what is inside them."""
    found: dict[str, nn.Module] = {}
    for name, module in net.named_modules():
        inside = any(name.startswith(f"{other}.") for other in found)
        own = type(module).__module__.startswith("torch.nn.") and not isinstance(module, CONTAINERS)
        if not inside and (own or isinstance(module, SpikingNeuron)):
            found[name] = module
    return found
