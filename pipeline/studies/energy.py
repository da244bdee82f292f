"""Energy: what sparsity and fewer time steps really save, counted from spikes, beside the paper's formula.

Every net is run for T steps, for its T' (study `temporal`) and for the steps of a grid, on validation and on test.
Settings are chosen on validation; counts and accuracies that are told are of test.
"""

from collections.abc import Mapping

from pipeline.io.files import Row
from pipeline.report.studies.energy_settings import ALL, COUNTS
from pipeline.studies.nets import Net
from snnprune.core.dataset import Dataset
from snnprune.energy.footprint import footprint
from snnprune.energy.measure import LayerMeans, Measurement, measure
from snnprune.energy.params import EnergyParams
from snnprune.energy.profiles import Profile, energy_pj
from snnprune.pruning.mask import prunable_weights

SUMS = ("synapses", "nnz", *COUNTS)


def energy_rows(
    net: Net, dataset: Dataset, params: EnergyParams, truncated: int, profiles: Mapping[str, Profile], seed: int
) -> list[Row]:
    """Rows of a net by number of steps: all layers together on validation and on test, each layer on test.

    `truncated` is the net's T'; its rows say so. Counts are means over samples. `accuracy` and the footprints stand in
    the rows of all layers only.
    """
    rows: list[Row] = []
    timesteps = net.network.spec.timesteps
    size = footprint(prunable_weights(net.network))
    for steps in sorted({*params.steps, truncated, timesteps}):
        about = {
            "method": net.method,
            "level": net.level,
            "steps": steps,
            "timesteps": timesteps,
            "truncated": steps == truncated,
        }
        for split, samples in (("validation", dataset.validation), ("test", dataset.test)):
            measured = measure(net.network, samples, steps)
            whole = {
                "accuracy": measured.accuracy,
                "dense_bytes": size.dense,
                "csr_bytes": size.csr,
                "bitmask_bytes": size.bitmask,
            }
            rows.append({**about, "split": split, **_counts(measured, profiles), **whole})
            if split == "test":
                empty = dict.fromkeys(whole)
                rows += [{**about, "split": split, **_layer(layer, profiles), **empty} for layer in measured.layers]
    return rows


def _counts(measured: Measurement, profiles: Mapping[str, Profile]) -> Row:
    sums = {key: sum(getattr(layer, key) for layer in measured.layers) for key in SUMS}
    spikes = sum(layer.spike_rate * layer.neuron_updates for layer in measured.layers)
    return {"layer": ALL, **sums, "spike_rate": spikes / sums["neuron_updates"], **_energies(sums, profiles)}


def _layer(layer: LayerMeans, profiles: Mapping[str, Profile]) -> Row:
    figures = {key: getattr(layer, key) for key in SUMS}
    return {"layer": layer.weight, **figures, "spike_rate": layer.spike_rate, **_energies(figures, profiles)}


def _energies(figures: Mapping[str, float], profiles: Mapping[str, Profile]) -> Row:
    return {
        f"energy_pj_{name}": energy_pj(figures["macs"], figures["acs"], figures["neuron_updates"], profile)
        for name, profile in profiles.items()
    }
