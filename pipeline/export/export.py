"""Exports a finished net, spelled as in a project (`digits/cqp@0.90/seed0`) or a file, with a card beside it."""

import dataclasses
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipeline.io import paths
from pipeline.io.nets import net_name
from snnprune.core.checkpoint import load_network
from snnprune.core.dataset import Dataset
from snnprune.core.errors import UserError
from snnprune.core.files import replace
from snnprune.core.network import SpikingNetwork
from snnprune.energy.measure import Measurement, measure
from snnprune.export.card import JSON, MARKDOWN, UNKNOWN, Accuracy, Card
from snnprune.export.metadata import metadata
from snnprune.export.parity import differences
from snnprune.export.registry import load_target
from snnprune.pruning.mask import prunable_weights

FOLDER = Path("export")


@dataclass(frozen=True)
class Net:
    """A net to be exported. argument: what names it in a command. dataset: whose test split it is measured on, seeds:
    test accuracies of all nets of its method and level, where there are such."""

    name: str
    argument: str
    network: SpikingNetwork
    dataset: Dataset | None = None
    seeds: tuple[float, ...] = ()

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


def export(net: str, targets: Sequence[str], out: Path | None = None, license: str = UNKNOWN) -> Iterator[str]:
    """Write a net for every target into `out` (None: export/<net>), a folder for each; a line about each. Raises
    UserError: no such net or target, or the target cannot express the net."""
    for target in targets:
        load_target(target)
    found = find(net)
    for target in targets:
        folder = (FOLDER / found.name if out is None else out) / target
        card = write(found, target, folder, license)
        yield f"{target}: {folder}: {summary(card)}"
        yield from (f"  {note}" for note in card.about.get("notes", ()))


def find(net: str) -> Net:
    """A net of the project in this folder, or of a file. Raises UserError: there is none; the message lists what there
    is."""
    path = Path(net)
    if path.suffix == ".safetensors":
        if not path.is_file():
            raise UserError(f"{net}: no such file")
        return Net(path.stem, path.name, load_network(path))
    experiment, _, name = net.partition("/")
    if not (paths.RESULTS / experiment).is_dir() or not name:
        there = ", ".join(sorted(folder.name for folder in paths.RESULTS.glob("*") if folder.is_dir())) or "none"
        raise UserError(
            f"{net}: neither a file .safetensors nor a net of a project here, such as digits/cqp@0.90/seed0; "
            f"experiments with results: {there}"
        )
    return in_project(experiment, name)


def in_project(experiment: str, name: str) -> Net:
    """A net of an experiment, such as `cqp@0.90/seed0`. Raises UserError: as `find`, or a result is missing."""
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
    network = load_network(net_file(experiment, method, seed, level))
    dataset = load_dataset(paths.data_folder(experiment))
    name = f"{experiment}/{name}"
    return Net(name, name, network, dataset, _accuracies(experiment, method, level))


def write(net: Net, target: str, folder: Path, license: str = UNKNOWN) -> Card:
    """Write a net for one target, and its card. Raises UserError: the target cannot express the net."""
    network, dataset, loaded = net.network, net.dataset, load_target(target)
    names = () if dataset is None else dataset.names
    exported = loaded.export(network, names)
    for name, content in exported.files.items():
        replace(folder / name, lambda partial, content=content: partial.write_bytes(content))
    about, differing, operations = dict(exported.about), None, None
    if dataset is not None:
        total = net.measured.total
        operations = {"effective_macs": total.macs_once, "effective_acs": total.acs}
        operations |= {"neuron_updates": total.neuron_updates}
        try:
            differing = differences(network, loaded, folder, dataset.test)
            if loaded.run_elsewhere is not None:
                elsewhere = differences(
                    network, dataclasses.replace(loaded, run=loaded.run_elsewhere), folder, dataset.test
                )
                about["notes"] = [*about.get("notes", ()), f"as other readers run it, {elsewhere}"]
        except UserError as error:
            about["notes"] = [*about.get("notes", ()), f"differences from the network are not measured: {error}"]
    command = ["snnprune", "export", net.argument, "--to", target]
    command += [] if license == UNKNOWN else ["--license", license]
    weights = prunable_weights(network).values()
    card = Card(
        net=net.name,
        target=target,
        command=shlex.join(command),
        license=license,
        network=metadata(network, names),
        synapses=sum(weight.numel() for weight in weights),
        nnz=sum(int(weight.count_nonzero()) for weight in weights),
        sizes={name: len(content) for name, content in exported.files.items()},
        about=about,
        data=None if dataset is None else dataset.name,
        digest=None if dataset is None else dataset.digest,
        accuracy=net.accuracy,
        operations=operations,
        differences=differing,
    )
    for name, content in card.files().items():
        replace(folder / name, lambda partial, content=content: partial.write_bytes(content))
    return card


def summary(card: Card) -> str:
    """What was written, in a line."""
    files = ", ".join([*card.sizes, MARKDOWN, JSON])
    figures = [f"{value:,} {key.replace('_', ' ')}" for key, value in card.about.items() if key.endswith("_bytes")] or [
        f"{sum(card.sizes.values()):,} bytes"
    ]
    differing = "" if card.differences is None else f"; {card.differences}"
    return f"{files}; {', '.join(figures)}{differing}"


def _accuracies(experiment: str, method: str, level: float) -> tuple[float, ...]:
    """Test accuracies of all seeds of a method and level, where stage evaluate has run."""
    from pipeline.io.tables import read_table

    if not (file := paths.evaluate_table(experiment)).is_file():
        return ()
    table = read_table(file, f"evaluate@{experiment}")
    return tuple(table[(table["method"] == method) & (table["level"] == level)]["accuracy"])
