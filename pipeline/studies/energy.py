"""Energy: what sparsity and fewer time steps really save, counted from spikes.

Every net is run for T steps, for its T' (study `temporal`) and for the steps of a grid, on validation, where settings
are chosen, and on test.
"""

from collections.abc import Mapping
from typing import Annotated

import pydantic

from pipeline.inputs import Inputs, Net
from pipeline.io.files import Row
from pipeline.io.nets import net_name
from pipeline.studies import Experiment
from snnprune.core.dataset import Dataset
from snnprune.core.errors import UserError
from snnprune.core.schema import Block, Fraction, rising
from snnprune.energy.footprint import footprint
from snnprune.energy.measure import LayerMeans, Measurement, measure
from snnprune.energy.profiles import FILE, Profile, energy_pj, load_profiles
from snnprune.pruning.mask import prunable_weights
from snnprune.snn.params import ModelParams

NEEDS = "temporal"
READS = {"model": ModelParams}
FILES = (FILE,)
ALL = "all"  # the layer of rows that sum all layers
SUMS = ("synapses", "nnz", "macs", "acs", "dense_macs", "dense_acs", "neuron_updates")


class Params(Block):
    """What is counted, beside every net's T and T': the grid of sparsity by time steps.

    steps: time steps to run, each at most T. max_loss: validation accuracy, as a fraction, that the cheapest setting
    may lose against the dense net at T.
    """

    steps: Annotated[list[pydantic.PositiveInt], pydantic.Field(min_length=1), pydantic.AfterValidator(rising)]
    max_loss: Fraction = 0.005


def problems(params: Params, experiment: Experiment) -> list[str]:
    """No net runs for more steps than it has."""
    model = experiment.blocks.get("model")
    if model is None or max(params.steps) <= model.timesteps:
        return []
    return [
        f"experiments.{experiment.name}.energy.steps: at most {model.timesteps} are allowed, model.timesteps; "
        f"found {params.steps}"
    ]


def rows(inputs: Inputs[Params], seed: int) -> list[Row]:
    """The rows of every net; raises UserError where the table of `temporal` lacks one, ParamsError for the profiles."""
    table = inputs.table(NEEDS)
    chosen = table[table["chosen"] & (table["seed"] == seed)]
    truncated = {(row.method, row.level): int(row.step) for row in chosen.itertuples(index=False)}
    profiles = load_profiles()

    def rows_of(net: Net) -> list[Row]:
        if (net.method, net.level) not in truncated:
            stage = f"study@{inputs.experiment}-{NEEDS}"
            name = net_name(net.method, net.level, seed)
            raise UserError(f"{stage} has no row of {name}; run it again: dvc repro {stage}")
        return rows_of_net(net, inputs.dataset, inputs.params, truncated[net.method, net.level], profiles)

    return inputs.rows_of_nets(seed, rows_of)


def rows_of_net(
    net: Net, dataset: Dataset, params: Params, truncated: int, profiles: Mapping[str, Profile]
) -> list[Row]:
    """Rows of a net by number of steps: all layers together on validation and on test, each layer on test.

    `truncated` is the net's T'; its rows say so. Counts are means over samples. `accuracy` and the footprints stand in
    the rows of all layers only.
    """
    found: list[Row] = []
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
            found.append({**about, "split": split, **_counts(measured, profiles), **whole})
            if split == "test":
                empty = dict.fromkeys(whole)
                found += [{**about, "split": split, **_layer(layer, profiles), **empty} for layer in measured.layers]
    return found


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
