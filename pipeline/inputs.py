"""What is read of finished nets: their files; and for a study blocks, dataset, nets and tables of one experiment."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import pandas as pd
import torch
from safetensors.torch import load_file
from torch import Tensor

from pipeline.io import paths
from pipeline.io.entry import required
from pipeline.io.files import Row
from pipeline.io.nets import DENSE, net_name
from pipeline.io.params import Matrix
from pipeline.io.resume import Resume
from snnprune.core.checkpoint import load_network
from snnprune.core.dataset import Dataset
from snnprune.core.network import SpikingNetwork
from snnprune.core.schema import Block
from snnprune.pruning.iterate import make_problem
from snnprune.pruning.mask import Mask, prunable_weights
from snnprune.pruning.params import PruneParams
from snnprune.pruning.problem import Problem

P = TypeVar("P", bound=Block)


def net_file(experiment: str, method: str, seed: int, level: float) -> Path:
    """The file of a net; as all below raises UserError, which names the stage that makes it, where it is missing."""
    if method == DENSE:
        return required(paths.dense_file(experiment, seed), f"train@{experiment}-{seed}")
    return required(paths.net_file(experiment, method, seed, level), f"prune@{experiment}-{method}-{seed}")


def levels_of(experiment: str, method: str, seed: int) -> list[float]:
    """The levels that a dense net was pruned to by a method."""
    file = paths.prune_folder(experiment, method, seed) / "levels.csv"
    return pd.read_csv(required(file, f"prune@{experiment}-{method}-{seed}"))["level"].tolist()


def dense_nets(matrix: Matrix) -> list[tuple[str, int, float]]:
    """Method, seed and level of every dense net."""
    return [(DENSE, seed, 0.0) for seed in matrix.seeds]


def pruned_nets(experiment: str, matrix: Matrix) -> list[tuple[str, int, float]]:
    """Method, seed and level of every pruned net."""
    return [
        (method, seed, level)
        for method in matrix.methods
        for seed in matrix.seeds
        for level in levels_of(experiment, method, seed)
    ]


def table_file(experiment: str, study: str) -> Path:
    """The table of one study."""
    return required(paths.table_file(experiment, study), f"study@{experiment}-{study}")


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
        return load_file(required(file, f"train@{self.experiment}-{seed}"))

    def nets(self, seed: int) -> Iterator[Net]:
        """The dense net of a seed, then its pruned ones by method and level, each loaded when it is asked for."""
        for method, of, level in [*dense_nets(self.matrix), *pruned_nets(self.experiment, self.matrix)]:
            if of == seed:
                path = net_file(self.experiment, method, seed, level)
                yield Net(method, level, load_network(path).to(self.device))

    def rows_of_nets(self, seed: int, rows_of: Callable[[Net], list[Row]]) -> list[Row]:
        """The rows of all nets of a seed; those of a finished net are saved, so that an interrupted study resumes."""
        rows: list[Row] = []
        for net in self.nets(seed):
            rows += self.resume.once(f"seed{seed}-{net.method}-{net.level}", lambda net=net: rows_of(net))
            print(f"  {net_name(net.method, net.level, seed)}: done", flush=True)
        return rows

    def table(self, study: str) -> pd.DataFrame:
        """The table that another study has measured."""
        return pd.read_csv(table_file(self.experiment, study))
