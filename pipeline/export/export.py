"""Writes a net for other tools, runs what was written on the test split, and puts a card beside it."""

import dataclasses
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.export.nets import Net, find
from snnprune.adapters.network import AdaptedNetwork
from snnprune.core.dataset import Split
from snnprune.core.errors import UserError
from snnprune.core.files import replace
from snnprune.core.network import SpikingNetwork
from snnprune.export.card import JSON, MARKDOWN, UNKNOWN, Card, operations_of
from snnprune.export.metadata import metadata
from snnprune.export.parity import Differences, differences
from snnprune.export.registry import Target, load_target
from snnprune.pruning.mask import prunable_weights

FOLDER = Path("export")


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


def write(net: Net, target: str, folder: Path, license: str = UNKNOWN) -> Card:
    """Write a net for one target, and its card. Raises UserError: the target cannot express the net."""
    network, dataset, loaded = net.network, net.dataset, load_target(target)
    names = () if dataset is None else dataset.names
    exported = loaded.export(network, names)
    _write_files(folder, exported.files)
    differing, notes = (None, []) if dataset is None else _run(network, loaded, folder, dataset.test)
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
        return None, [f"differences from the network are not measured: {error}"]


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        replace(folder / name, lambda partial, content=content: partial.write_bytes(content))


def summary(card: Card) -> str:
    """What was written, in a line."""
    files = ", ".join([*card.sizes, MARKDOWN, JSON])
    figures = [f"{value:,} {key.replace('_', ' ')}" for key, value in card.about.items() if key.endswith("_bytes")] or [
        f"{sum(card.sizes.values()):,} bytes"
    ]
    differing = "" if card.differences is None else f"; {card.differences}"
    return f"{files}; {', '.join(figures)}{differing}"
