"""A net to be exported, and those of the project in this folder (`digits/cqp@0.90/seed0`)."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from pipeline.io import paths
from pipeline.io.nets import net_name
from snnprune.adapters.network import AdaptedNetwork
from snnprune.core.checkpoint import load_network
from snnprune.core.dataset import Dataset
from snnprune.core.errors import UserError
from snnprune.core.network import SpikingNetwork
from snnprune.energy.measure import Measurement, measure
from snnprune.export.card import Accuracy


class Place(NamedTuple):
    """Which net of a project it is."""

    experiment: str
    method: str
    seed: int
    level: float


@dataclass(frozen=True)
class Net:
    """A net to be exported. argument: what names it in a command. file: where it lies. dataset: whose test split it is
    measured on, seeds: test accuracies of all nets of its method and level, place: in its project, where there are
    such. missing: why there is no dataset, where there should be one."""

    name: str
    argument: str
    file: Path
    network: SpikingNetwork | AdaptedNetwork
    dataset: Dataset | None = None
    seeds: tuple[float, ...] = ()
    place: Place | None = None
    missing: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names by label, where they are known."""
        return () if self.dataset is None else self.dataset.names

    @cached_property
    def measured(self) -> Measurement | None:
        """On the test split."""
        return None if self.dataset is None else measure(self.network, self.dataset.test)

    @property
    def accuracy(self) -> Accuracy | None:
        """On the test split, and over seeds where there are several."""
        if self.measured is None:
            return None
        if len(self.seeds) < 2:
            return Accuracy(self.measured.accuracy)
        from pipeline.report.statistics import describe

        found = describe(self.seeds)
        return Accuracy(self.measured.accuracy, found.n, found.mean, found.low, found.high)


def in_project(experiment: str, name: str, dataset: Dataset | None = None) -> Net:
    """A net of an experiment, such as `cqp@0.90/seed0`; its dataset is read unless it is given. Raises UserError:
    there is none, or a result is missing."""
    from pipeline.io.finished import net_file, nets_of  # pandas: not needed for a file
    from pipeline.io.params import load_matrix
    from pipeline.io.store import load_dataset

    nets = {
        net_name(method, level, seed): (method, seed, level)
        for method, seed, level in nets_of(experiment, load_matrix(experiment))
    }
    if name not in nets:
        raise UserError(f"{experiment}: no net {name!r}; there are: {', '.join(nets)}")
    method, seed, level = nets[name]
    network = load_network(file := net_file(experiment, method, seed, level))
    dataset = load_dataset(paths.data_folder(experiment)) if dataset is None else dataset
    name = f"{experiment}/{name}"
    place = Place(experiment, method, seed, level)
    return Net(name, name, file, network, dataset, _accuracies(experiment, method, level), place)


def _accuracies(experiment: str, method: str, level: float) -> tuple[float, ...]:
    """Test accuracies of all seeds of a method and level, where stage evaluate has run."""
    from pipeline.io.tables import read_table

    if not (file := paths.evaluate_table(experiment)).is_file():
        return ()
    table = read_table(file, f"evaluate@{experiment}")
    return tuple(table[(table["method"] == method) & (table["level"] == level)]["accuracy"])
