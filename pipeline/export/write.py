"""Writes a net for another tool, runs what was written on the test split, and puts a card beside it."""

import dataclasses
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pipeline.export.folder import fill, source_of
from pipeline.export.nets import Net
from snnprune.adapters.network import AdaptedNetwork
from snnprune.core.dataset import Split
from snnprune.core.errors import UserError
from snnprune.core.network import SpikingNetwork
from snnprune.export.card import UNKNOWN, Card, operations_of
from snnprune.export.metadata import metadata
from snnprune.export.parity import Differences, differences
from snnprune.export.registry import Exported, Target, load_target
from snnprune.pruning.mask import prunable_weights

NOT_MEASURED = "differences from the network are not measured"


def made(net: Net, target: str) -> Exported:
    """The net for one target, as it is. Raises UserError: the target cannot express it."""
    return load_target(target).export(net.network, net.classes)


def write(
    net: Net, target: str, exported: Exported, folder: Path, license: str = UNKNOWN, options: Sequence[str] = ()
) -> Card:
    """Write what was made of a net for one target, and its card. options: further ones of the command."""
    network, dataset = net.network, net.dataset
    differing, notes = None, [f"{NOT_MEASURED}: {net.missing}"] if net.missing else []
    if dataset is not None:
        differing, notes = _run(network, load_target(target), exported, dataset.test)
    command = ["snnprune", "export", net.argument, "--to", target, *options]
    command += [] if license == UNKNOWN else ["--license", license]
    weights = prunable_weights(network).values()
    card = Card(
        net=net.name,
        source=source_of(net.file, folder),
        target=target,
        command=shlex.join(command),
        license=license,
        network=exported.network or metadata(network, net.classes),
        synapses=sum(weight.numel() for weight in weights),
        nnz=sum(int(weight.count_nonzero()) for weight in weights),
        sizes={name: len(content) for name, content in exported.files.items()},
        about={**exported.about, "notes": [*exported.about.get("notes", ()), *notes]},
        data=None if dataset is None else dataset.name,
        digest=None if dataset is None else dataset.digest,
        accuracy=net.accuracy,
        operations=None if dataset is None else operations_of(net.measured),
        differences=differing,
    )
    fill(folder, net.file, exported.files, card.files())
    return card


def _run(
    network: SpikingNetwork | AdaptedNetwork, target: Target, exported: Exported, test: Split
) -> tuple[Differences | None, list[str]]:
    """How the files differ from the network, None where they cannot be run here, and what else is to be said."""
    with tempfile.TemporaryDirectory() as place:
        for name, content in exported.files.items():
            (Path(place) / name).write_bytes(content)
        try:
            differing = differences(network, target, Path(place), test)
            if target.run_elsewhere is None:
                return differing, []
            elsewhere = differences(network, dataclasses.replace(target, run=target.run_elsewhere), Path(place), test)
            return differing, [f"as other readers run it, {elsewhere}"]
        except UserError as error:
            return None, [f"{NOT_MEASURED}: {error}"]
