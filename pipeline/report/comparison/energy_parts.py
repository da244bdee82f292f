"""What the energy of a net is spent on: MACs of the input, ACs, neuron updates, and memory where it has a price."""

from collections.abc import Mapping
from dataclasses import fields

import pandas as pd

from pipeline.pricing import parts_of
from snnprune.energy.profiles import Parts, Profile

PARTS = {  # field of `Parts` -> what people call it
    "macs": "input (MACs)",
    "acs": "spikes (ACs)",
    "neurons": "neuron updates",
    "weights": "weights and indices",
    "states": "sums and membranes",
}


def energy_by_part(table: pd.DataFrame, profiles: Mapping[str, Profile]) -> pd.DataFrame:
    """A row per profile, method and level of a tidy table, the dense net first: picojoules of a sample by the parts
    `PARTS`, means over seeds, a constant input computed once."""
    found = []
    for name, profile in profiles.items():
        parts = parts_of(table, profile)
        each = {part.name: getattr(parts, part.name) for part in fields(Parts)}
        means = table.assign(**each).groupby(["method", "level"], sort=False)[list(each)].mean().reset_index()
        order = pd.Series(pd.factorize(means["method"])[0]).argsort(kind="stable")  # level after level of each method
        found.append(means.iloc[order].assign(profile=name))
    columns = ["profile", "method", "level", *PARTS]
    return pd.concat(found, ignore_index=True)[columns] if found else pd.DataFrame(columns=columns)
