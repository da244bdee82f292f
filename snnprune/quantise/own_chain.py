"""The chain of layers in a network of the user's own: its normalisations are weights, whose rounding comes after."""

from torch import nn

from snnprune.adapters.network import AdaptedNetwork
from snnprune.adapters.simplify import NORMS, simplified, without
from snnprune.adapters.step_graph import StepGraph
from snnprune.adapters.step_neurons import StepNeurons
from snnprune.adapters.tracing import trace
from snnprune.quantise.chain import Chain, ChainLayer, layer_of, no_form, of_raw_images

Modules = list[tuple[str, nn.Module | StepNeurons]]


def own_chain(network: AdaptedNetwork) -> Chain:
    """BatchNorm is in the weights before it, and what is done to images that are the network's input themselves
    (`direct`, `frames`) in the first ones. Raises UserError: as `snnprune.adapters.tracing.trace`,
    `snnprune.adapters.simplify.simplified` and `snnprune.quantise.chain.chain_of`; or the network is no chain, is read
    at potentials or at the last step alone, or normalises images around which a convolution puts zeros."""
    spec, traced = network.spec, trace(network)
    graph = simplified(traced)
    flat = without(graph, (nn.Flatten, nn.Unflatten))
    _require_chain(flat, traced)
    _require_shapes(graph, flat)
    if graph.scores == "last":
        raise no_form("the output", "the spikes of the last step alone")
    modules: Modules = [(name, node.module) for name, node in flat.nodes.items()]
    shape = graph.shape(graph.nodes[modules[0][0]].reads[0])
    layers = []
    while modules:
        found, modules = _first(modules)
        layers.append(found)
    chain = Chain(tuple(layers), spec.timesteps, spec.encoding, shape, scores=graph.scores)
    return of_raw_images(chain, spec.normalize)


def _first(modules: Modules) -> tuple[ChainLayer, Modules]:
    """The layer that comes first, and the modules after it."""
    (name, module), *modules = modules
    if not isinstance(module, nn.Linear | nn.Conv2d):
        raise no_form(name, "neurons without a weight" if isinstance(module, StepNeurons) else module)
    pool = None
    if isinstance(module, nn.Conv2d) and modules and isinstance(modules[0][1], nn.MaxPool2d):
        pool, *modules = modules
    if not modules:
        raise no_form(name, "a last layer without neurons")
    (after, neurons), *modules = modules
    if not isinstance(neurons, StepNeurons):
        raise no_form(after, f"{neurons} in the place of neurons")
    if neurons.gives != "spikes":
        raise no_form(after, "a membrane potential that is read out")
    if neurons.alpha is not None:
        raise no_form(after, "a synapse's own current")
    if neurons.reset not in ("subtract", "zero") or not neurons.delayed:
        raise no_form(after, f"a reset `{neurons.reset}`" + ("" if neurons.delayed else " at once"))
    constants = neurons.beta, neurons.threshold
    return layer_of(name, module, pool, after, *constants, neurons.reset == "zero"), modules


def _require_chain(graph: StepGraph, traced: StepGraph) -> None:
    """Nothing adds up several values; then each node reads the one before it, as the output depends on all. No
    normalisation is left, as one that a `traced` network has elsewhere than after a weight."""
    sums = {name: node.reads for name, node in graph.nodes.items()} | {"the output": graph.output}
    for name, reads in sums.items():
        if len(reads) != 1:
            raise no_form(name, f"the sum of {' + '.join(reads)}")
    for name in graph.nodes:
        if isinstance(module := traced.nodes[name].module, NORMS):
            raise no_form(name, f"{module} anywhere but after Linear or Conv2d")


def _require_shapes(graph: StepGraph, flat: StepGraph) -> None:
    """A Linear reads vectors; a convolution or pooling the input, or what comes before in the shape that it has."""
    for before, (name, node) in zip([None, *flat.nodes.values()], flat.nodes.items(), strict=False):
        shape = graph.shape(graph.nodes[name].reads[0])
        is_vector, is_same = len(shape) == 1, before is None or shape == before.shape
        if not (is_vector if isinstance(node.module, nn.Linear) else is_same or isinstance(node.module, StepNeurons)):
            raise no_form(name, f"{node.module} on {list(shape)}")
