"""What a study is, how one is loaded by name, and what it is given to measure: nets, dataset, blocks and tables."""

import importlib
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import pydantic
import torch
from safetensors.torch import load_file
from torch import Tensor

from pipeline import studies
from pipeline.io import paths
from pipeline.io.entry import required
from pipeline.io.files import Row
from pipeline.io.finished import net_file, nets_of
from pipeline.io.nets import DENSE, net_name
from pipeline.io.params import Matrix
from pipeline.io.resume import Resume
from snnprune.core.checkpoint import load_network
from snnprune.core.dataset import Dataset
from snnprune.core.errors import UserError
from snnprune.core.network import SpikingNetwork
from snnprune.core.schema import Block
from snnprune.pruning.iterate import make_problem
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.params import PruneParams
from snnprune.pruning.problem import Problem

P = TypeVar("P", bound=Block)
NETS = "nets"
# What a study may ask of a network, and one of the user's own may lack: that it runs for fewer steps, that its outputs
# are known step by step, that it is a plain sequence of layers, that its first layer has columns to drop, that it was
# trained here.
FEWER_STEPS, EVERY_STEP, PLAIN, COLUMNS, TRAINED = "fewer steps", "every step", "plain", "columns", "trained"
NO_NEURON_MEANS = (
    "all synapses of a neuron have the same criticality, so its mean over presynaptic neurons says nothing; "
    "use sensitivity or taylor"
)


@dataclass(frozen=True)
class Experiment:
    """What a study is to run in: the experiment's name, its entry in the matrix and its valid blocks."""

    name: str
    matrix: Matrix
    blocks: Mapping[str, Block]

    def neuron_means_problems(self, study: str) -> list[str]:
        """Problems of a study that averages the criticality of block `prune` over presynaptic neurons."""
        prune = self.blocks.get("prune")
        if prune is None or prune.criticality.kind != "membrane":
            return []
        return [f"experiments.{self.name}.{study}: with prune.criticality.kind membrane, {NO_NEURON_MEANS}"]


class StudyParams(Block):
    """A study's block. seeds: those that it measures of the experiment's; None: all. Those that the experiment does not
    run are left out, so that a short run of it (`matrix.<experiment>.seeds: [0]`) needs no other change."""

    seeds: Annotated[list[pydantic.NonNegativeInt], pydantic.Field(min_length=1)] | None = None


class NetsParams(StudyParams):
    """The block of a study of all pruned nets. methods: those whose nets it measures beside the dense ones; None: all.
    Those that the experiment does not run are left out, as seeds are."""

    methods: Annotated[list[str], pydantic.Field(min_length=1)] | None = None


@dataclass(frozen=True)
class Study:
    """A study and what it reads beside the dataset, the dense nets and its own block (of dense nets only: `prune`).

    Attributes:
        needs: `dense` (nothing more), `nets` (all pruned nets), or a study's name (all pruned nets and its table).
        reads: further blocks of the experiment and their schemas, such as `train` or `methods.cqp`.
        files: further files that its rows depend on.
        asks: what it needs of the network, of the five above.
        beside: methods whose pruned nets the report puts beside its rows, which do not depend on them.
        rows: (inputs, seed) -> what it measures of one seed; a row's keys are the columns of the table.
        problems: (params, experiment) -> one line for everything that does not fit the experiment.
    """

    name: str
    params: type[Block]
    needs: str
    rows: "Callable[[Inputs[Any], int], list[Row]]"
    reads: Mapping[str, type[Block]]
    files: tuple[Path, ...]
    asks: tuple[str, ...]
    beside: tuple[str, ...]
    problems: Callable[[Any, Experiment], list[str]]


def available() -> list[str]:
    """Names of all studies, sorted; imports none of them."""
    return list(studies.__all__)


def load_study(name: str) -> Study:
    """Import one study, and only that one. Raises UserError: there is no such study; the message lists those there
    are."""
    if name not in available():
        raise UserError(f"unknown study {name!r}; available are: {', '.join(available())}")
    module = importlib.import_module(f"pipeline.studies.{name}")
    return Study(
        name=name,
        params=module.Params,
        needs=module.NEEDS,
        rows=module.rows,
        reads=getattr(module, "READS", {}),
        files=getattr(module, "FILES", ()),
        asks=getattr(module, "ASKS", ()),
        beside=getattr(module, "BESIDE", ()),
        problems=lambda params, experiment: [
            *chosen_problems(name, params, experiment),
            *getattr(module, "problems", lambda *_: [])(params, experiment),
        ],
    )


def seeds_of(params: Any, matrix: Matrix) -> list[int]:
    """The seeds that a study with this block measures."""
    chosen = getattr(params, "seeds", None)
    return [seed for seed in matrix.seeds if chosen is None or seed in chosen]


def methods_of(params: Any, matrix: Matrix) -> list[str]:
    """The methods whose nets a study of nets with this block measures."""
    chosen = params.methods if isinstance(params, NetsParams) else None
    return [method for method in matrix.methods if chosen is None or method in chosen]


def chosen_problems(study: str, params: Any, experiment: Experiment) -> list[str]:
    """A line where the experiment runs none of the seeds, or of the methods, of the study's block."""
    found, keys = [], {"seeds": seeds_of} | ({"methods": methods_of} if isinstance(params, NetsParams) else {})
    for key, chosen_of in keys.items():  # other studies do not depend on the experiment's methods
        if not chosen_of(params, experiment.matrix):
            named, allowed = (", ".join(map(str, getattr(block, key))) for block in (params, experiment.matrix))
            where = f"experiments.{experiment.name}.{study}.{key}"
            found.append(f"{where}: none of {named} is in matrix.{experiment.name}.{key}: {allowed}")
    return found


@dataclass(frozen=True)
class Net:
    """One trained network on the device; the dense one has the method `dense` and level 0."""

    method: str
    level: float
    network: SpikingNetwork


@dataclass(frozen=True)
class Inputs(Generic[P]):
    """Results of earlier stages, loaded when asked for; a missing one is a UserError that says which stage makes it.
    `params` is the study's own block, `blocks` holds those of its `READS`, and `prune` for one of dense nets."""

    experiment: str
    params: P
    blocks: Mapping[str, Any]
    matrix: Matrix
    dataset: Dataset
    device: torch.device
    resume: Resume

    @property
    def prune(self) -> PruneParams:
        """The block `prune`, for a study of dense nets: pruned ones were made by it, and need it no more."""
        return self.blocks["prune"]

    def dense(self, seed: int) -> SpikingNetwork:
        """A fresh copy of the dense net of one seed, on the device."""
        return load_network(net_file(self.experiment, DENSE, seed, 0.0)).to(self.device)

    def problem(self, network: SpikingNetwork, seed: int, level: float, mask: Mask | None = None) -> Problem:
        """The problem of pruning the dense `network` to `level` in one step: all layers, or those of a dense `mask`."""
        mask = Mask.dense(prunable_weights(network)) if mask is None else mask
        return make_problem(network, mask, level, self.dataset.train, self.prune, seed_path=(seed, 0))

    def optimizer_state(self, seed: int) -> dict[str, Tensor]:
        """The state in which the dense training of one seed left its optimiser."""
        file = paths.train_folder(self.experiment, seed) / "optimizer.safetensors"
        if not (state := load_file(required(file, f"train@{self.experiment}-{seed}"))):
            raise UserError(f"{file}: is empty, as the network came trained; this study needs one that is trained here")
        return state

    def nets(self, seed: int, methods: Container[str]) -> Iterator[Net]:
        """The nets of a seed by these methods (`dense` is one) and by level, each loaded when it is asked for."""
        for method, of, level in nets_of(self.experiment, self.matrix):
            if of == seed and method in methods:
                path = net_file(self.experiment, method, seed, level)
                yield Net(method, level, load_network(path).to(self.device))

    def rows_of_nets(self, seed: int, rows_of: Callable[[Net], list[Row]]) -> list[Row]:
        """The rows of the nets of a seed, dense and of the block's methods; those of a finished net are saved, so that
        an interrupted study resumes."""
        rows: list[Row] = []
        for net in self.nets(seed, [DENSE, *methods_of(self.params, self.matrix)]):
            rows += self.resume.once(f"seed{seed}-{net.method}-{net.level}", lambda net=net: rows_of(net))
            print(f"  {net_name(net.method, net.level, seed)}: done", flush=True)
        return rows
