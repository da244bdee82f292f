"""A C99 header with the network as constant arrays and static memory only, and a main that reads samples.

In float arithmetic sums run as those of `read_csr.py`: the bias, then the synapses in their order. A compiler that
follows C99 (`-std=c99`: no contraction into fused operations, no excess precision) gives the same spikes.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from snnprune.adapters.network import AdaptedNetwork
from snnprune.core.errors import UserError
from snnprune.core.network import SpikingNetwork
from snnprune.core.own_model import Normalize
from snnprune.export.c_graph import graph_header
from snnprune.export.c_header import header
from snnprune.export.csr import by_sample
from snnprune.export.flat_net import flat_net
from snnprune.export.metadata import fed, metadata
from snnprune.export.registry import Exported
from snnprune.export.scores import SCORES
from snnprune.export.sparse_layers import of_integers, of_network
from snnprune.quantise.chain import chain_of, of_raw_images
from snnprune.quantise.convert import rounded_chain
from snnprune.quantise.integer import IntegerNetwork
from snnprune.quantise.own_chain import own_chain

HEADER, MAIN, METADATA = "snn.h", "main.c", "metadata.json"
FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O2")
TEMPLATES = Path(__file__).with_name("templates")


def to_c(network: SpikingNetwork | AdaptedNetwork, classes: Sequence[str] = ()) -> Exported:
    """The network in float32. Raises UserError: as `snnprune.export.sparse_layers.read_layers`, and, of a network of
    the user's own, `snnprune.export.flat_net.flat_net`."""
    about = metadata(network, classes)
    if isinstance(network, AdaptedNetwork):
        net = flat_net(network)
        return _files(graph_header(net, about), about | {SCORES: net.scores})
    return _files(header(of_network(network), about), about)


def to_c_int8(network: SpikingNetwork | AdaptedNetwork, classes: Sequence[str] = ()) -> Exported:
    """The network in whole numbers, its weights rounded to 8 bits, row by row. Raises UserError: as
    `snnprune.quantise.chain.chain_of`, and, of a network of the user's own, `snnprune.quantise.own_chain.own_chain`."""
    return _rounded(network, 8, classes)


def to_c_int4(network: SpikingNetwork | AdaptedNetwork, classes: Sequence[str] = ()) -> Exported:
    """The same with 4 bits, two weights a byte."""
    return _rounded(network, 4, classes)


def _rounded(network: SpikingNetwork | AdaptedNetwork, bits: int, classes: Sequence[str]) -> Exported:
    if isinstance(network, AdaptedNetwork):
        chain = own_chain(network)
    else:
        chain = of_raw_images(chain_of(network), network.normalize)
    about = metadata(network, classes) | ({} if chain.scores == "sum" else {SCORES: chain.scores})
    return of_integer_network(rounded_chain(chain, bits), about, chain.normalize)


def of_integer_network(network: IntegerNetwork, about: dict, normalize: Normalize | None = None) -> Exported:
    """A quantised network, whatever its weights were fine-tuned with; `about` is its `metadata`, normalize: what its
    weights do to images. Its spikes are those of `IntegerNetwork.run`."""
    integer = {"bits": network.bits, "input_levels": network.input_levels, "largest_input": network.largest_input}
    if normalize is not None:
        about = {key: value for key, value in about.items() if key != "normalize"}
        integer |= {"normalize": normalize.model_dump()}
    about = about | {"integer": integer}
    about["input"] = fed(about)
    exported = _files(header(of_integers(network), about), about)
    notes = [] if normalize is None else ["the weights normalise the input: hand in images as they are, 1.0 as 255"]
    return Exported(exported.files, {**exported.about, "notes": [*exported.about["notes"], *notes]}, about)


def run_c(folder: Path, inputs: Tensor) -> Tensor:
    """Scores [B, classes] of the compiled program. Raises UserError: there is no C compiler."""
    about = json.loads((folder / METADATA).read_text(encoding="utf-8"))
    samples = by_sample(inputs, about["encoding"]["name"] == "direct")
    if integer := about.get("integer"):
        samples = _in_whole_numbers(samples, integer, about["encoding"]["name"] == "direct")
    place = _compiled((folder / HEADER).read_bytes(), (folder / MAIN).read_bytes())
    file = Path(place.name) / "samples"
    samples.tofile(file)
    lines = subprocess.run([Path(place.name) / "snn", file], check=True, capture_output=True, text=True).stdout
    found = torch.tensor([[float(count) for count in line.split(":")[1].split()] for line in lines.splitlines()])
    return found / about["timesteps"] if integer and about.get(SCORES) == "mean" else found


def _in_whole_numbers(samples: np.ndarray, integer: Mapping[str, Any], images: bool) -> np.ndarray:
    """What the program takes. Raises UserError: images are not within 0..1 before they are normalised."""
    if done := integer.get("normalize"):
        samples = samples * np.float32(done["std"]) + np.float32(done["mean"])
    whole = np.rint(samples * np.float32(integer["input_levels"]))
    if images and (whole.min() < 0 or whole.max() > integer["largest_input"]):
        raise UserError(f"images: the program takes 0 to 1; found {samples.min():g} to {samples.max():g}")
    return whole.clip(0, integer["largest_input"]).astype(np.uint8)


@lru_cache(maxsize=1)
def _compiled(header: bytes, main: bytes) -> tempfile.TemporaryDirectory[str]:
    """A folder with the program `snn`; the last one is kept, as a net is run batch by batch."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise UserError("no C compiler found (cc, or the one that CC names)")
    place = tempfile.TemporaryDirectory()
    for name, content in ((HEADER, header), (MAIN, main)):
        (Path(place.name) / name).write_bytes(content)
    subprocess.run([compiler, *FLAGS, MAIN, "-o", "snn"], cwd=place.name, check=True)
    return place


run_c_int8 = run_c_int4 = run_c


def _files(header: tuple[str, dict], about: dict) -> Exported:
    text, figures = header
    files = {
        HEADER: text.encode(),
        MAIN: (TEMPLATES / MAIN).read_bytes(),
        METADATA: (json.dumps(about, indent=2) + "\n").encode(),
    }
    notes = [
        "flash_bytes are those of the constant arrays, ram_bytes of the network's static arrays; code, a table of "
        "pointers and main.c's input come on top",
        f"build: cc {' '.join(FLAGS)} {MAIN} -o snn",
    ]
    return Exported(files, {**figures, "notes": notes})
