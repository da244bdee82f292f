"""Writes a net for another tool, runs what was written on the test split, and puts a card beside it."""

import dataclasses
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.export.nets import Net
from snnprune.adapters.network import AdaptedNetwork
from snnprune.core.dataset import Split
from snnprune.core.errors import UserError
from snnprune.core.files import replace
from snnprune.core.network import SpikingNetwork
from snnprune.export.card import UNKNOWN, Card, operations_of
from snnprune.export.metadata import metadata
from snnprune.export.parity import Differences, differences
from snnprune.export.registry import Exported, Target, load_target
from snnprune.pruning.mask import prunable_weights

NOT_MEASURED = "differences from the network are not measured"


def write(
    net: Net, target: str, folder: Path, license: str = UNKNOWN, make: Callable[[Net, str], Exported] | None = None
) -> Card:
    """Write a net for one target, and its card. make: what exports a fine-tuned form of it (None: the target, as it
    is). Raises UserError: the target cannot express the net."""
    network, dataset, loaded = net.network, net.dataset, load_target(target)
    names = () if dataset is None else dataset.names
    exported = loaded.export(network, names) if make is None else make(net, target)
    _write_files(folder, exported.files)
    differing, notes = None, [f"{NOT_MEASURED}: {net.missing}"] if net.missing else []
    if dataset is not None:
        differing, notes = _run(network, loaded, folder, dataset.test)
    command = ["snnprune", "export", net.argument, "--to", target]
    command += [] if make is None else ["--tuned"]
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
        about={**exported.about, "notes": [*exported.about.get("notes", ()), *notes]},
        data=None if dataset is None else dataset.name,
        digest=None if dataset is None else dataset.digest,
        accuracy=net.accuracy,
        operations=None if dataset is None else operations_of(net.measured),
        differences=differing,
    )
    _write_files(folder, card.files())
    return card


def _run(
    network: SpikingNetwork | AdaptedNetwork, target: Target, folder: Path, test: Split
) -> tuple[Differences | None, list[str]]:
    """How what was written differs from the network, None where it cannot be run here, and what else is to be said."""
    try:
        differing = differences(network, target, folder, test)
        if target.run_elsewhere is None:
            return differing, []
        elsewhere = differences(network, dataclasses.replace(target, run=target.run_elsewhere), folder, test)
        return differing, [f"as other readers run it, {elsewhere}"]
    except UserError as error:
        return None, [f"{NOT_MEASURED}: {error}"]


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        replace(folder / name, lambda partial, content=content: partial.write_bytes(content))
