"""What the counts of finished nets cost by the hardware profiles: nets are counted once, and priced by whoever reads
the counts, so that another price reruns seconds."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from snnprune.core.errors import UserError
from snnprune.energy.profiles import Parts, Profile, energies, energy_parts

COUNTED = {  # what is priced -> its column in the evaluate stage's table
    "macs": "effective_macs",
    "macs_once": "effective_macs_once",
    "acs": "effective_acs",
    **{name: name for name in ("neuron_updates", "index_bits", "index_bits_once")},
}


if TYPE_CHECKING:  # it takes a second, which who prices single rows need not wait
    import pandas as pd


def energies_of(counts: Mapping[str, Any], profiles: Mapping[str, Profile]) -> dict[str, Any]:
    """`energy_pj_<profile>` and `energy_once_pj_<profile>` of a row, or of all rows, of the evaluate stage's table."""
    return energies({name: counts[column] for name, column in COUNTED.items()}, profiles)


def priced(table: "pd.DataFrame", profiles: Mapping[str, Profile]) -> "pd.DataFrame":
    """The evaluate stage's table with its energies as columns. Raises UserError: it lacks a count, for it was written
    by an earlier version."""
    if missing := [column for column in COUNTED.values() if column not in table]:
        raise UserError(
            f"the evaluate stage's table has no {', '.join(missing)}; run evaluate again: dvc repro evaluate"
        )
    return table.assign(**energies_of(table, profiles))


def parts_of(counts: Mapping[str, Any], profile: Profile) -> Parts:
    """What the energy of a row, or of all rows, is spent on, a constant input computed once."""
    columns = (COUNTED[name] for name in ("macs_once", "acs", "neuron_updates"))
    return energy_parts(*(counts[column] for column in columns), profile, counts[COUNTED["index_bits_once"]])
