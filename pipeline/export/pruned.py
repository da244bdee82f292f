"""The nets in a folder that `snnprune prune` wrote, as nets to export."""

import os
from pathlib import Path
from typing import Any

import pydantic
import torch

from pipeline.export.nets import Net
from pipeline.io.nets import level_text
from pipeline.prune_net.data import OwnData, read
from pipeline.prune_net.outputs import RESULTS, read_written
from snnprune.adapters.adapt import Adapted, adapt
from snnprune.adapters.own import TRIED, is_nir, load_own, set_origin
from snnprune.core.dataset import Dataset
from snnprune.core.errors import UserError
from snnprune.core.network import SpikingNetwork
from snnprune.core.own_model import NIR, RunningParams
from snnprune.core.schema import Block, validate

LEVELS = (".pt", NIR)


class Level(Block):
    """A level in `results.json`, as far as it is needed here."""

    model_config = pydantic.ConfigDict(extra="ignore")
    level: float


class Results(RunningParams):
    """`results.json`, as far as it is needed here: what was pruned, and how it runs."""

    model_config = pydantic.ConfigDict(extra="ignore")
    network: str
    levels: list[Level]
    data: str
    folder: str
    own_forward: bool
    sample_shape: list[int]

    @property
    def running(self) -> RunningParams:
        """How the network runs."""
        return RunningParams(**{key: getattr(self, key) for key in RunningParams.model_fields})


def find_level(path: Path) -> Net:
    """A level of such a folder: a file `level-<level>.pt`, of a NIR file `level-<level>.nir`, or the folder if it holds
    one only. The network's file and the data are looked for where `snnprune prune` had them, seen from that folder;
    without the data the net has no dataset. Raises UserError: there is no such level, or no network's file, or it does
    not fit, or `results.json` is damaged."""
    folder = path.parent if path.suffix in LEVELS else path
    if not (folder / RESULTS).is_file():
        raise UserError(f"{path}: {folder} holds no {RESULTS}, which snnprune prune writes")
    results = _read(folder)
    suffix = NIR if is_nir(results.network) else ".pt"
    files = [folder / f"level-{level_text(row.level)}{suffix}" for row in results.levels]
    if path == folder and len(files) == 1:
        path = files[0]
    if not path.is_file() or path not in files:
        there = ", ".join(str(file) for file in files if file.is_file()) or "none is there"
        problem = "no such file" if path in files else f"not a level of {folder}"
        raise UserError(f"{path}: {problem}; name one of its levels: {there}")
    running = results.running
    try:
        data, missing = _data(folder, results, running), ""
    except UserError as error:
        data, missing = None, str(error)
    network = _adapted(path, results, running, data).network
    name = f"{path.resolve().parent.name}/{path.stem}"
    dataset = None if data is None else _dataset(results.data, data, network)
    return Net(name, os.path.relpath(path), path, network, dataset, missing=missing)


def _read(folder: Path) -> Results:
    """Raises UserError: the file is damaged."""
    found = read_written(folder / RESULTS)
    if missing := [key for key in Results.model_fields if key not in found]:
        raise UserError(f"{folder / RESULTS}: is damaged; missing: {', '.join(missing)}")
    return validate(Results, found, str(folder / RESULTS))


def _at(folder: Path, results: Results, path: str) -> str:
    """A path as `snnprune prune` was given it, seen from here: relative ones are to the folder in which it ran."""
    return os.path.relpath(folder / results.folder / path)


def _data(folder: Path, results: Results, running: RunningParams) -> OwnData:
    """As the network takes them: one that runs its own forward normalises images itself."""
    kind, colon, path = results.data.rpartition(":")
    is_path = colon or path.endswith(".npz")
    where = f"{kind}{colon}{_at(folder, results, path)}" if is_path else path
    return read(where, running.timesteps, None if results.own_forward else running.normalize)


def _dataset(name: str, data: OwnData, network: Any) -> Dataset:
    classes = network.spec.architecture.classes if isinstance(network, SpikingNetwork) else network.spec.classes
    names = data.names if len(data.names) == classes else ()
    return Dataset(name, len(data.names), data.digest, data.train, data.validation, data.test, names)


def _adapted(path: Path, results: Results, running: RunningParams, data: OwnData | None) -> Adapted:
    """The user's network with the weights of the level, in the form in which it was pruned; tried on random samples
    where there are no data."""
    module = results.network
    source = (str(path), None) if is_nir(module) else (_at(path.parent, results, module), path)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.rand(TRIED, *results.sample_shape, generator=generator)
    adapted = adapt(
        load_own(*source, running.reset, running.reset_delay),
        drawn if data is None else data.train.images[:TRIED],
        timesteps=running.timesteps,
        encoding=running.encoding,
        readout=running.readout,
        normalize=running.normalize if results.own_forward else None,
        fast=not results.own_forward,
    )
    set_origin(adapted, running.normalize)
    return adapted
