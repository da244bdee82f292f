"""Hardware profiles: picojoules per operation, read from `profiles.json` beside this file."""

import json
from pathlib import Path
from typing import Annotated

import pydantic

from snnprune.core.schema import NAME, Block, ParamsError, validate

FILE = Path(__file__).with_name("profiles.json")

Price = Annotated[float, pydantic.Field(gt=0)]


class Profile(Block):
    """Energy of a MAC, an AC and a neuron update (which may be free) in picojoules, and where the figures come from."""

    mac_pj: Price
    ac_pj: Price
    neuron_update_pj: Annotated[float, pydantic.Field(ge=0)]
    source: Annotated[str, pydantic.Field(min_length=1)]


def load_profiles(path: Path = FILE) -> dict[str, Profile]:
    """All profiles, name -> profile, in the file's order. Raises ParamsError: the file is no JSON or empty, or an entry
    or its name is not allowed."""
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ParamsError(f"{path.name}: not valid JSON: {error}") from error
    if not isinstance(tree, dict) or not tree:
        raise ParamsError(f"{path.name}: expected a mapping of profile names to their values; found {tree!r}")
    for name in tree:  # it becomes a column and a metric
        if not NAME.fullmatch(name):
            raise ParamsError(f"{path.name}: allowed in a profile's name are letters, digits, - and _; found {name!r}")
    return {name: validate(Profile, entry, f"{path.name}: {name}") for name, entry in tree.items()}


def energy_pj(macs: float, acs: float, neuron_updates: float, profile: Profile) -> float:
    """Energy in picojoules of effective operations and neuron updates."""
    return macs * profile.mac_pj + acs * profile.ac_pj + neuron_updates * profile.neuron_update_pj


def formula_reduction(sparsity: float, steps: int, timesteps: int) -> float:
    """The paper's formula, 1 - (1 - s) * T'/T: the share of the dense network's energy that is saved. It takes every
    synapse for equally busy and every operation for equally dear, and leaves out neuron updates."""
    return 1 - (1 - sparsity) * steps / timesteps
