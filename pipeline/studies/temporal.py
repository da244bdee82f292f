"""Temporal truncation: how soon the class distribution stands, and what stopping there costs in accuracy.

For every net KL_t and validation accuracy at each step, T' by `divergence.enough_steps` on validation, then the net run
for T' steps, and for all T, on test.
"""

import pandas as pd

from pipeline.io.files import Row
from pipeline.studies.nets import Net
from snnprune.core.dataset import Dataset
from snnprune.temporal.divergence import authors_steps, enough_steps, kl_by_step, kl_of_mean_by_step
from snnprune.temporal.params import TemporalParams
from snnprune.temporal.truncation import accuracy_by_step, spikes_of


def temporal_rows(net: Net, dataset: Dataset, params: TemporalParams, seed: int) -> list[Row]:
    """One row per step of a net; test accuracy only for T' (`chosen`), the author's step (`authors`) and T."""
    spikes = spikes_of(net.network, dataset.validation)
    kl, kl_of_mean = kl_by_step(spikes), kl_of_mean_by_step(spikes)
    validation = accuracy_by_step(spikes, dataset.validation.labels)
    chosen, authors = enough_steps(kl, validation, params.epsilon, params.delta), authors_steps(kl_of_mean)
    tested = {steps: _test_accuracy(net, dataset, steps) for steps in {chosen, authors, len(kl)}}
    return [
        {
            "method": net.method,
            "level": net.level,
            "step": step,
            "kl": kl[step - 1].item(),
            "kl_of_mean": kl_of_mean[step - 1].item(),
            "validation_accuracy": validation[step - 1].item(),
            "chosen": step == chosen,
            "authors": step == authors,
            "accuracy": tested.get(step),
        }
        for step in range(1, len(kl) + 1)
    ]


def chosen_steps(table: pd.DataFrame) -> dict[tuple[int, str, float], int]:
    """T' of every (seed, method, level) in the table of this study."""
    return {
        (int(row.seed), str(row.method), float(row.level)): int(row.step)
        for row in table[table["chosen"]].itertuples(index=False)
    }


def _test_accuracy(net: Net, dataset: Dataset, steps: int) -> float:
    return accuracy_by_step(spikes_of(net.network, dataset.test, steps), dataset.test.labels)[-1].item()
