"""Hardware profiles: picojoules per operation, read from `profiles.yaml` beside this file."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import pydantic
import torch
from ruamel.yaml import YAML
from torch import Tensor

from pipeline.energy.operations import LayerCounts
from pipeline.params import Block, ParamsError, validate

FILE = Path(__file__).with_name("profiles.yaml")

Picojoules = Annotated[float, pydantic.Field(ge=0)]


class Profile(Block):
    """Energy of a MAC, an AC and a neuron update in picojoules, and where the figures come from."""

    mac_pj: Picojoules
    ac_pj: Picojoules
    neuron_update_pj: Picojoules
    source: Annotated[str, pydantic.Field(min_length=1)]


def load_profiles(path: Path = FILE) -> dict[str, Profile]:
    """All profiles, name -> profile, in the file's order.

    Raises:
        ParamsError: the file is empty, or an entry holds something that is not allowed.
    """
    tree = YAML(typ="safe").load(path)
    if not isinstance(tree, dict) or not tree:
        raise ParamsError(f"{path.name}: expected a mapping of profile names to their values; found {tree!r}")
    return {name: validate(Profile, entry, f"{path.name}: {name}") for name, entry in tree.items()}


def energy_pj(counts: Iterable[LayerCounts], profile: Profile) -> Tensor:
    """Energy of each sample in picojoules [B], float64: effective operations and neuron updates of all layers."""
    return torch.stack(
        [
            layer.operations.double() * (profile.mac_pj if layer.analogue else profile.ac_pj)
            + layer.neuron_updates * profile.neuron_update_pj
            for layer in counts
        ]
    ).sum(0)


def formula_reduction(sparsity: float, steps: int, timesteps: int) -> float:
    """The paper's formula, 1 - (1 - s) * T'/T: the share of the dense network's energy that is saved.

    It takes every synapse for equally busy and every operation for equally dear, and leaves out neuron updates.
    """
    return 1 - (1 - sparsity) * steps / timesteps
