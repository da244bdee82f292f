"""The net that a command names: of the project in this folder (`digits/cqp@0.90/seed0`), a file, or a level that
`snnprune prune` wrote."""

import os
from pathlib import Path

from pipeline.export.nets import Net, in_project
from pipeline.export.pruned import LEVELS, find_level
from pipeline.io import paths
from pipeline.prune_net.outputs import RESULTS
from snnprune.core.checkpoint import load_network
from snnprune.core.errors import UserError


def find(net: str) -> Net:
    """A net of the project in this folder, of a file, or of a folder of `snnprune prune`. Raises UserError: there is
    none; the message lists what there is."""
    path = Path(net)
    if path.suffix == ".safetensors":
        if not path.is_file():
            raise UserError(f"{net}: no such file")
        return Net(path.stem, os.path.relpath(path), path, load_network(path))
    if path.suffix in LEVELS or (path / RESULTS).is_file():
        return find_level(path)
    experiment, _, name = net.partition("/")
    if not (paths.RESULTS / experiment).is_dir() or not name:
        there = ", ".join(sorted(folder.name for folder in paths.RESULTS.glob("*") if folder.is_dir())) or "none"
        raise UserError(
            f"{net}: neither a file .safetensors, nor a level that snnprune prune wrote, such as pruned/level-0.90.pt, "
            f"nor a net of a project here, such as digits/cqp@0.90/seed0; experiments with results: {there}"
        )
    return in_project(experiment, name)
