"""What a network's files must say besides weights, so that a reader in another tool feeds and reads it alike."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from snnprune.adapters.network import AdaptedNetwork
from snnprune.adapters.neurons import DELAYED, neurons_of, reset_of
from snnprune.adapters.step_neurons import ALLOWED
from snnprune.core.errors import UserError
from snnprune.core.network import SpikingNetwork
from snnprune.core.params import Frames
from snnprune.nir.neurons import Neurons


def metadata(network: SpikingNetwork | AdaptedNetwork, classes: Sequence[str] = ()) -> dict[str, Any]:
    """Of a network, as plain values for JSON. classes: their names by label (none: their numbers). reset_delay: a
    spike's reset acts one step later, as `snntorch.Leaky` does by default. readout `count`: the class of the most
    output spikes, the first of several; `mean-membrane`, `last-membrane`: that of the highest potential. input: what
    the caller hands in, in words (`fed`). names: of a plain network of the user's, parameters here -> in the user's
    state dict. Of one that runs the user's own forward neurons are listed one by one. Raises UserError: as many names
    as classes are needed."""
    spec = network.spec
    is_plain = isinstance(network, SpikingNetwork)
    count = spec.architecture.classes if is_plain else spec.classes
    names = list(classes) or [str(label) for label in range(count)]
    if len(names) != count:
        raise UserError(f"class names: expected {count}, one for each output neuron; found {len(names)}")
    about = {"timesteps": spec.timesteps, "encoding": spec.encoding.model_dump(), "classes": names}
    normalize = network.normalize if is_plain else spec.normalize
    about |= {"normalize": normalize.model_dump()} if normalize else {}
    about["input"] = fed(about)
    if is_plain:
        return about | {
            "reset": spec.reset,
            "reset_delay": True,
            "readout": "count",
            "beta": spec.beta,
            "threshold": spec.threshold,
            "input_shape": list(spec.architecture.input_shape),
            "model": spec.model_dump(),
            **({"names": dict(network.names)} if network.names else {}),
        }
    shape = spec.sample_shape[1:] if isinstance(spec.encoding, Frames) else spec.sample_shape
    neurons = {name: _constants(neuron) for name, neuron in neurons_of(network.net).items()}
    return about | {"readout": spec.readout, "input_shape": list(shape), "neurons": neurons}


def fed(about: Mapping[str, Any]) -> str:
    """What the caller hands in, in words. about: what is known of `metadata`, and of whole numbers `integer`
    (`snnprune.export.c.of_integer_network`)."""
    encoding, integer, done = about["encoding"]["name"], about.get("integer"), about.get("normalize")
    if encoding == "frames":
        return "frames of events, counts" + (f" of {integer['largest_input']} at most" if integer else "")
    if integer and encoding == "direct":
        normalised = "; the weights normalise them" if "normalize" in integer else ""
        return f"images as they are, 1.0 as {integer['input_levels']}{normalised}"
    images = "images in 0..1" + (f", minus {done['mean']:g}, divided by {done['std']:g}" if done else "")
    return images if encoding == "direct" else f"{images}, encoded by the caller"


def described(about: Mapping[str, Any]) -> dict[str, str]:
    """Rows for people of what `metadata` says of the network itself."""
    rows = {"input": about["input"]}
    if "model" not in about:
        neurons = about["neurons"].items()
        return rows | {f"neurons {name}": ", ".join(map(_words, each.items())) for name, each in neurons}
    delay = "one step after the spike" if about["reset_delay"] else "at once"
    return rows | {
        "layers": str(about["model"]["layers"]),
        "neurons": f"leaky integrate-and-fire, beta {about['beta']}, threshold {about['threshold']}",
        "reset": f"{about['reset']}, {delay}",
    }


def _constants(neuron: nn.Module) -> dict[str, Any]:
    """Of a constant of several values the lowest and the highest; of other packages' neurons their kind alone."""
    if isinstance(neuron, Neurons):
        kind, reset, delay = neuron.kind, neuron.reset.mechanism, neuron.reset.delay
        reset = "to the file's v_reset" if reset == "file" else reset
    elif type(neuron) in ALLOWED:
        kind, reset, delay = type(neuron).__name__, reset_of(neuron), getattr(neuron, DELAYED, True)
    else:
        return {"kind": type(neuron).__name__}
    constants = {key: getattr(neuron, key, None) for key in ("alpha", "beta", "threshold")}
    found = {key: _range(torch.as_tensor(value), key) for key, value in constants.items() if value is not None}
    return {"kind": kind, **found, "reset": reset, "reset_delay": delay}


def _range(values: Tensor, key: str) -> float | list[float]:
    """A decay beyond 0..1, which learning may lead to, is used as the nearest of these."""
    values = values.detach() if key == "threshold" else values.detach().clamp(0, 1)
    low, high = (round(float(value), 6) for value in values.aminmax())
    return low if low == high else [low, high]


def _words(entry: tuple[str, Any]) -> str:
    key, value = entry
    if key == "reset_delay":
        return "one step after the spike" if value else "at once"
    text = f"{value[0]} to {value[1]}" if isinstance(value, list) else str(value)
    return text if key == "kind" else f"{key} {text}"
