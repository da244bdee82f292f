"""The nets in a folder that `snnprune prune` wrote, as nets to export."""

import json
from pathlib import Path
from typing import Any

from pipeline.export.nets import Net
from pipeline.io.nets import level_text
from pipeline.prune_net.data import OwnData, read
from pipeline.prune_net.outputs import RESULTS
from snnprune.adapters.adapt import Adapted, adapt
from snnprune.adapters.own import TRIED, is_nir, load_own
from snnprune.core.dataset import Dataset
from snnprune.core.errors import UserError
from snnprune.core.network import SpikingNetwork
from snnprune.core.own_model import NIR, Normalize, RunningParams
from snnprune.core.schema import validate

LEVELS = (".pt", NIR)


def find_level(path: Path) -> Net:
    """A level of such a folder: a file `level-<level>.pt`, of a NIR file `level-<level>.nir`, or the folder if it holds
    one only. The network's file and the data are looked for where `snnprune prune` had them. Raises UserError: there is
    none, or it is not to be found, or does not fit the network."""
    folder = path.parent if path.suffix in LEVELS else path
    if not (folder / RESULTS).is_file():
        raise UserError(f"{path}: {folder} holds no {RESULTS}, which snnprune prune writes")
    results = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    suffix = NIR if is_nir(results["network"]) else ".pt"
    files = [folder / f"level-{level_text(row['level'])}{suffix}" for row in results["levels"]]
    if path == folder and len(files) == 1:
        path = files[0]
    if path not in files or not path.is_file():
        raise UserError(f"{path}: not a level of {folder}; name one of {', '.join(map(str, files))}")
    data = _data(results)
    adapted = _adapted(path, results, data)
    network = adapted.network
    classes = network.spec.architecture.classes if isinstance(network, SpikingNetwork) else network.spec.classes
    names = data.names if len(data.names) == classes else ()
    dataset = Dataset(results["data"], len(data.names), data.digest, data.train, data.validation, data.test, names)
    name = f"{path.resolve().parent.name}/{path.stem}"
    return Net(name, f"{name}{suffix}", network, dataset)


def _data(results: dict[str, Any]) -> OwnData:
    normalize = results["normalize"]
    return read(results["data"], results["timesteps"], None if normalize is None else Normalize(**normalize))


def _adapted(path: Path, results: dict[str, Any], data: OwnData) -> Adapted:
    """The user's network with the weights of the level, in the form in which it was pruned."""
    keys = ("timesteps", "encoding", "readout", "reset", "reset_delay")
    running = validate(RunningParams, {key: results[key] for key in keys}, str(path.parent / RESULTS))
    source = (str(path), None) if is_nir(results["network"]) else (results["network"], path)
    return adapt(
        load_own(*source, running.reset, running.reset_delay),
        data.train.images[:TRIED],
        timesteps=running.timesteps,
        encoding=running.encoding,
        readout=running.readout,
        fast=not results["own_forward"],
    )
