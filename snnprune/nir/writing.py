"""A network that came from NIR as NIR again, with its weights as they are now."""

import copy
import io
from pathlib import Path
from typing import Any

from snnprune.core.files import replace
from snnprune.nir.network import StepNetwork
from snnprune.nir.package import load_nir
from snnprune.nir.reading import flatten


def to_graph(network: StepNetwork) -> Any:
    """A copy of the `nir.NIRGraph` that the network was made from, with its weights and biases; all else stays."""
    graph = copy.deepcopy(network.graph)
    for name, node in flatten(graph)[0].items():
        for key, parameter in network.module(name).named_parameters():
            setattr(node, key, parameter.detach().cpu().numpy().astype(getattr(node, key).dtype))
    return graph


def write(network: StepNetwork, path: str | Path) -> None:
    """Write it as a NIR file."""
    content = content_of(to_graph(network))
    replace(Path(path), lambda partial: partial.write_bytes(content))


def content_of(graph: Any) -> bytes:
    """What a file of a `nir.NIRGraph` holds; the same bytes for equal graphs."""
    stream = io.BytesIO()
    load_nir().write(stream, graph)
    return stream.getvalue()
