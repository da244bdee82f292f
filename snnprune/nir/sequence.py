"""A network from NIR as a `SpikingNetwork`, where that is possible: the form that trains and infers fast."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from snnprune.core.architecture import Conv, Dense
from snnprune.core.checkpoint import load_parameters
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams
from snnprune.core.schema import validate
from snnprune.nir.network import StepNetwork
from snnprune.nir.neurons import Neurons
from snnprune.nir.package import NirError
from snnprune.nir.reading import said


def to_spiking(
    network: StepNetwork, *, timesteps: int | None = None, encoding: Mapping[str, Any] | None = None
) -> SpikingNetwork:
    """The same network as a plain sequence, in evaluation mode.

    timesteps, encoding: as in the `model` block; needed unless this project wrote the file.
    Raises NirError: the network is none that a `SpikingNetwork` can be; names the node and what is allowed: a plain
    sequence of Affine, Linear or square Conv2d without padding, each before LIF (IF: beta 1) of one beta, one threshold
    and one reset in the whole network, without leak and with gain 1; reset to zero, or by subtraction one step later.
    """
    layers = _layers(network)
    ours = said(network.graph).get("model")
    fixed = _neuron_params(layers)
    if ours is None:
        if timesteps is None or encoding is None:
            raise NirError("timesteps and encoding: a NIR file does not say them; both must be given")
        model = {"layers": _notation(network, layers), "timesteps": timesteps, "encoding": dict(encoding), **fixed}
    else:
        given = {"timesteps": timesteps, "encoding": encoding}
        model = ours | {key: value for key, value in given.items() if value is not None} | fixed
    with torch.random.fork_rng(devices=[]):
        spiking = build_network(validate(ModelParams, model, "model"))
    try:
        load_parameters(spiking, _parameters(spiking, layers))
    except ValueError as error:
        raise NirError(f"the nodes are not those of the model in the file's metadata: {error}") from error
    return spiking.eval()


def _layers(network: StepNetwork) -> list[tuple[str, nn.Module]]:
    """Name and module of the nodes from input to output. Raises NirError unless they follow one another."""
    before, found = network.input, []
    for place in network.places:
        if place.now != (before,) or place.before:
            raise NirError(f"node {place.name}: reads {', '.join(place.now + place.before)}; allowed is only {before}")
        module, before = network.module(place.name), place.name
        if not isinstance(module, nn.Identity | nn.Flatten):
            found.append((place.name, module))
    for index, (name, module) in enumerate(found):
        if isinstance(module, Neurons) != bool(index % 2):
            raise NirError(f"node {name}: {_kind(network, name)} where weights and neurons must take turns")
    if len(found) % 2 or not found:
        raise NirError("the network does not end with neurons")
    return found


def _neuron_params(layers: list[tuple[str, nn.Module]]) -> dict[str, Any]:
    """beta, threshold and reset of the `model` block. Raises NirError unless they are the same everywhere."""
    found: dict[str, dict[str, Any]] = {}
    for name, neurons in layers[1::2]:
        constants, reset = neurons.constants, neurons.reset
        if constants.alpha is not None:
            raise NirError(f"node {name}: neurons with a synapse; allowed are LIF and IF")
        if neurons.gives != "spikes":
            raise NirError(f"node {name}: neurons whose membrane potential is read; allowed are spikes")
        _require(name, "the gain r dt/tau (IF: r dt)", constants.gain, 1)
        _require(name, "v_leak", constants.leak, 0)
        if reset.mechanism == "subtract":
            if not reset.delay:
                raise NirError(f"node {name}: reset subtract at once; allowed with subtract is one step later")
        else:
            _require(name, "v_reset", neurons.v_reset.numpy(), 0)
        found[name] = {
            "beta": _one(name, "beta", constants.beta),
            "threshold": _one(name, "v_threshold", constants.threshold),
            "reset": "subtract" if reset.mechanism == "subtract" else "zero",
        }
    first, *others = found.items()
    for name, params in others:
        if params != first[1]:
            raise NirError(f"node {name}: found {params}; allowed is the same as in node {first[0]}: {first[1]}")
    return first[1]


def _require(name: str, key: str, values: np.ndarray, allowed: float) -> None:
    wrong = values[np.asarray(values, np.float32) != allowed]
    if wrong.size:
        raise NirError(f"node {name}: {key} is {wrong.flat[0]:g}; allowed is {allowed}")


def _one(name: str, key: str, values: np.ndarray) -> float:
    """The one value of all neurons, with no more digits than float32 has."""
    if np.ptp(values.astype(np.float32)):
        raise NirError(f"node {name}: {key} from {values.min():g} to {values.max():g}; allowed is one value for all")
    return float(str(np.float32(values.flat[0])))


def _notation(network: StepNetwork, layers: list[tuple[str, nn.Module]]) -> str:
    """The `layers` of the `model` block."""
    parts = ["x".join(map(str, network.input_shape))]
    for name, module in layers[::2]:
        if isinstance(module, nn.Linear):
            parts.append(str(Dense(module.out_features)))
            continue
        plain = isinstance(module, nn.Conv2d) and (
            (module.padding, module.dilation, module.groups) == ((0, 0), (1, 1), 1)
            and len({*module.kernel_size}) == len({*module.stride}) == 1
        )
        if not plain:
            raise NirError(f"node {name}: {module}; allowed are Linear and square Conv2d without padding or dilation")
        parts.append(str(Conv(module.out_channels, module.kernel_size[0], module.stride[0])))
    return "-".join(parts)


def _parameters(spiking: SpikingNetwork, layers: list[tuple[str, nn.Module]]) -> dict[str, Tensor]:
    """The weights and biases (zeros of a Linear node) by the names of the spiking network."""
    prefixes = [name.removesuffix(".weight") for name, _ in spiking.named_parameters() if name.endswith(".weight")]
    found: dict[str, Tensor] = {}
    for prefix, (_, module) in zip(prefixes, layers[::2], strict=True):
        found[f"{prefix}.weight"] = module.weight
        found[f"{prefix}.bias"] = module.weight.new_zeros(len(module.weight)) if module.bias is None else module.bias
    return found


def _kind(network: StepNetwork, name: str) -> str:
    return type(network.module(name)).__name__
