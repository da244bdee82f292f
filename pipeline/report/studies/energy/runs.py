"""The runs that other studies measured, as rows of the study `energy`: with early exit, and fine-tuned for fewer
steps."""

from collections.abc import Mapping

import pandas as pd

from snnprune.energy.measure import WORK

ALL = "all"  # the layer of rows that sum all layers
KEY = ["seed", "split", "method", "level"]
OF_A_NET = ["timesteps", "synapses", "nnz", "dense_bytes", "csr_bytes", "bitmask_bytes"]


def every_run(table: pd.DataFrame, others: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The rows of all layers together of the study's `table`, and those of the studies `early_exit` and `fewer_steps`
    among `others`, of nets that `table` has. `most_steps`: how many steps a sample runs at most; `steps`: how many it
    runs, in the mean. `exits`: it may stop before. `tuned`: the net was fine-tuned for `most_steps`."""
    whole = table[table["layer"] == ALL].assign(most_steps=lambda rows: rows["steps"], exits=False, tuned=False)
    nets = whole.loc[whole["steps"] == whole["timesteps"], [*KEY, *OF_A_NET]].drop_duplicates()
    found = [whole]
    if (rows := others.get("early_exit")) is not None:
        exits = _of_early_exit(rows).merge(nets, on=KEY)
        found.append(exits.assign(most_steps=exits["timesteps"], truncated=False, exits=True, tuned=False))
    if (rows := others.get("fewer_steps")) is not None:
        runs = rows[rows["tuned"] | rows["threshold"].notna()]
        runs = runs.assign(most_steps=runs["steps"], steps=runs["mean_steps"], exits=runs["threshold"].notna())
        found.append(runs.drop(columns=["timesteps", "synapses", "nnz"]).merge(nets, on=KEY).assign(truncated=False))
    return pd.concat(found, ignore_index=True)


def _of_early_exit(table: pd.DataFrame) -> pd.DataFrame:
    """The chosen thresholds' rows, one a split."""
    chosen = table[table["chosen"]]
    energies = [name for name in table if name.startswith(("energy_pj_", "energy_once_pj_"))]
    columns = ["steps", "accuracy", *WORK, "spike_rate", *energies]
    parts = {"validation": [f"validation_{name}" for name in columns], "test": columns}
    return pd.concat(
        [
            chosen[["seed", "method", "level", *names]]
            .set_axis(["seed", "method", "level", *columns], axis=1)
            .assign(split=split)
            for split, names in parts.items()
        ]
    )
