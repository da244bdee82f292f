"""Hardware profiles: picojoules per operation, read from `profiles.json` beside this file, and what counts cost then.

Counts are numbers, or columns of a table.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pydantic

from snnprune.core.schema import NAME, Block, ParamsError, validate

FILE = Path(__file__).with_name("profiles.json")

Price = Annotated[float, pydantic.Field(gt=0)]


NotNegative = Annotated[float, pydantic.Field(ge=0)]
Bits = Annotated[int, pydantic.Field(ge=1)]


class Memory(Block):
    """Two memories beside the arithmetic, in picojoules a bit, and the bits of what lies in them.

    weight_pj_per_bit, value_bits: every effective operation fetches its weight, and where synapses were pruned the
    index of its target (event-driven: a spike walks the list of its targets). state_pj_per_bit, state_bits: every
    operation reads and writes the partial sum of its target, and every neuron update reads that sum and reads and
    writes the membrane potential.
    """

    weight_pj_per_bit: NotNegative
    value_bits: Bits
    state_pj_per_bit: NotNegative
    state_bits: Bits


class Profile(Block):
    """Energy of a MAC, an AC and a neuron update (which may be free) in picojoules, and where the figures come from.
    memory: what fetching and storing costs; None: it is not counted."""

    mac_pj: Price
    ac_pj: Price
    neuron_update_pj: NotNegative
    source: Annotated[str, pydantic.Field(min_length=1)]
    memory: Memory | None = None


@dataclass(frozen=True)
class Parts:
    """Picojoules by what they are spent on: arithmetic (MACs, ACs, neuron updates), fetching weights with their
    indices, and reading and writing sums and membrane potentials."""

    macs: Any
    acs: Any
    neurons: Any
    weights: Any
    states: Any

    @property
    def total(self) -> Any:
        """All of it."""
        return self.macs + self.acs + self.neurons + self.weights + self.states


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


def energy_parts(macs: Any, acs: Any, neuron_updates: Any, profile: Profile, index_bits: Any = 0) -> Parts:
    """Energy of effective operations and neuron updates by its parts. index_bits: bits of indices that are fetched with
    the weights (`index_width`), 0 of a store that needs none."""
    weights = states = 0.0 * macs
    if (memory := profile.memory) is not None:
        operations = macs + acs
        weights = memory.weight_pj_per_bit * (memory.value_bits * operations + index_bits)
        states = memory.state_pj_per_bit * memory.state_bits * (2 * operations + 3 * neuron_updates)
    return Parts(macs * profile.mac_pj, acs * profile.ac_pj, neuron_updates * profile.neuron_update_pj, weights, states)


def energy_pj(macs: Any, acs: Any, neuron_updates: Any, profile: Profile, index_bits: Any = 0) -> Any:
    """Energy in picojoules of effective operations and neuron updates: the sum of `energy_parts`."""
    return energy_parts(macs, acs, neuron_updates, profile, index_bits).total


def energies(counts: Mapping[str, Any], profiles: Mapping[str, Profile]) -> dict[str, Any]:
    """Picojoules of a sample by every profile, a constant input computed at every step (`energy_pj_<profile>`) and once
    (`energy_once_pj_<profile>`). counts: `macs`, `macs_once`, `acs`, `neuron_updates`, `index_bits` and
    `index_bits_once`."""
    return {
        f"{convention}_{name}": energy_pj(
            counts[f"macs{once}"], counts["acs"], counts["neuron_updates"], profile, counts[f"index_bits{once}"]
        )
        for convention, once in (("energy_pj", ""), ("energy_once_pj", "_once"))
        for name, profile in profiles.items()
    }


def index_width(synapses: int, nnz: int, targets: int) -> int:
    """Bits of the index that is fetched with a weight, ceil(log2(targets)): one of the weights that an input of the
    layer may meet. 0 where no synapse of the layer was pruned: then their order says which is whose."""
    return 0 if nnz == synapses else (targets - 1).bit_length()


def formula_reduction(sparsity: float, steps: int, timesteps: int) -> float:
    """The paper's formula, 1 - (1 - s) * T'/T: the share of the dense network's energy that is saved. It takes every
    synapse for equally busy and every operation for equally dear, and leaves out neuron updates."""
    return 1 - (1 - sparsity) * steps / timesteps
