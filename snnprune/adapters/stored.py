"""A network that runs the user's own forward, in a file: what the file's header says, and the network made of it."""

import hashlib
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from snnprune.adapters.convention import Convention
from snnprune.adapters.network import AdaptedNetwork, Running, Source
from snnprune.adapters.neurons import packages_of
from snnprune.adapters.own import file_of, load_own, sha256
from snnprune.adapters.wiring import Wiring
from snnprune.core.checkpoint import OWN, NetworkFileError
from snnprune.core.errors import UserError
from snnprune.core.own_model import Normalize
from snnprune.core.params import Encoding

CODE = Path(__file__).parent


def header(network: AdaptedNetwork) -> dict[str, str]:
    """Where the network comes from, how it is run, and its wiring. The digest of this package is in it: a stage that
    reads the file so depends on the code that runs the network. Raises UserError: it was adapted in Python, so that no
    file says what builds it."""
    if network.source is None:
        raise UserError(
            "a network adapted in Python cannot be saved as a whole; save its state dict: adapted.state_dict()"
        )
    running = {field.name: getattr(network.spec, field.name) for field in fields(Running)}
    for name in ("encoding", "normalize"):
        running[name] = running[name] and running[name].model_dump()
    wiring = asdict(network.wiring) | {"constant": sorted(network.wiring.constant)}
    about = {"source": asdict(network.source), "running": running | {"convention": asdict(network.spec.convention)}}
    return {OWN: json.dumps({**about, "wiring": wiring, "code": _code_digest()})}


def rebuild(text: str, path: Path) -> AdaptedNetwork:
    """The network of the header of `path`, with the weights that its file's function gave it. Raises NetworkFileError:
    the header is none of these. Raises UserError: the user's file is missing, is not the one the network came from, or
    fails."""
    try:
        about = json.loads(text)
        source, running = Source(**about["source"]), _running(about["running"])
        wiring = Wiring(**about["wiring"] | {"constant": frozenset(about["wiring"]["constant"])})
    except (ValueError, KeyError, TypeError) as error:
        raise NetworkFileError(f"{path}: its header is none that this version allows: {error}") from error
    file = file_of(source.module)
    if not file.is_file():
        raise UserError(f"{file}: no such file; {path} needs it, as it builds the network: run from the same folder")
    if sha256(file) != source.sha256:
        raise UserError(f"{file}: is not the file with which {path} was made; make the net again: dvc repro")
    net = load_own(source.module, None, source.reset, source.reset_delay)
    for package in packages_of(net):
        package.prepare(net)
    network = AdaptedNetwork(net, running)
    network.source, network.wiring = source, wiring
    return network


def _running(about: dict[str, Any]) -> Running:
    found = {
        "encoding": TypeAdapter(Encoding).validate_python(about["encoding"]),
        "normalize": about["normalize"] and Normalize(**about["normalize"]),
        "convention": Convention(**about["convention"]),
        "sample_shape": tuple(about["sample_shape"]),
    }
    return Running(**{**about, **found})


def _code_digest() -> str:
    digest = hashlib.sha256()
    for file in sorted(CODE.rglob("*.py")):
        digest.update(f"{file.relative_to(CODE)} {sha256(file)}\n".encode())
    return digest.hexdigest()
