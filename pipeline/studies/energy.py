"""Energy: what sparsity and fewer time steps really save, counted from spikes. Every net is run for T steps, for its T'
(study `temporal`) and for the steps of a grid, on validation, where settings are chosen, and on test."""

from collections.abc import Mapping
from dataclasses import asdict, replace

import pydantic

from pipeline.io.files import Row
from pipeline.io.finished import study_table
from pipeline.io.nets import net_name
from pipeline.study import FEWER_STEPS, Experiment, Inputs, Net, NetsParams
from snnprune.core.dataset import Dataset
from snnprune.core.errors import UserError
from snnprune.core.own_model import Model
from snnprune.core.schema import Fraction, Rising
from snnprune.energy.footprint import footprint
from snnprune.energy.measure import measure
from snnprune.energy.profiles import FILE, Profile, load_profiles
from snnprune.pruning.mask import prunable_weights

NEEDS = "temporal"
ASKS = (FEWER_STEPS,)
READS = {"model": Model}
FILES = (FILE,)


class Params(NetsParams):
    """What is counted, beside every net's T and T': the grid of sparsity by time steps. steps: time steps to run, each
    at most T. max_loss: validation accuracy, as a fraction, that the cheapest setting may lose against the dense net at
    T."""

    steps: Rising[pydantic.PositiveInt]
    max_loss: Fraction = 0.005


def problems(params: Params, experiment: Experiment) -> list[str]:
    """No net runs for more steps than it has."""
    model = experiment.blocks.get("model")
    if model is None or model.timesteps is None or max(params.steps) <= model.timesteps:
        return []
    return [
        f"experiments.{experiment.name}.energy.steps: at most {model.timesteps} are allowed, model.timesteps; "
        f"found {params.steps}"
    ]


def rows(inputs: Inputs[Params], seed: int) -> list[Row]:
    """The rows of every net; raises UserError where the table of `temporal` lacks one, ParamsError for the profiles."""
    table = study_table(inputs.experiment, NEEDS)
    chosen = table[table["chosen"] & (table["seed"] == seed)]
    truncated = {(row.method, row.level): int(row.step) for row in chosen.itertuples(index=False)}
    profiles = load_profiles()

    def rows_of(net: Net) -> list[Row]:
        if (net.method, net.level) not in truncated:
            stage = f"study@{inputs.experiment}-{NEEDS}"
            name = net_name(net.method, net.level, seed)
            ask = f"`methods` of its block must hold {net.method}, and then: dvc repro {stage}"
            raise UserError(f"{stage} has no row of {name}; {ask}")
        return rows_of_net(net, inputs.dataset, inputs.params, truncated[net.method, net.level], profiles)

    return inputs.rows_of_nets(seed, rows_of)


def rows_of_net(
    net: Net, dataset: Dataset, params: Params, truncated: int, profiles: Mapping[str, Profile]
) -> list[Row]:
    """Rows of a net by number of steps: all layers together on validation and on test, each layer on test. `truncated`
    is the net's T'; its rows say so. Counts are means over samples. `accuracy` and the footprints stand in the rows of
    all layers only."""
    found: list[Row] = []
    timesteps, names = net.network.spec.timesteps, net.network.names
    size = asdict(footprint(prunable_weights(net.network)))
    for steps in sorted({*params.steps, truncated, timesteps}):
        about = {"method": net.method, "level": net.level, "steps": steps, "timesteps": timesteps}
        about["truncated"] = steps == truncated
        for split, samples in (("validation", dataset.validation), ("test", dataset.test)):
            measured = measure(net.network, samples, steps)
            whole = {"accuracy": measured.accuracy, **size}
            layers = [(measured.total, whole)]
            if split == "test":
                own = [replace(layer, layer=names.get(layer.layer, layer.layer)) for layer in measured.layers]
                layers += [(layer, dict.fromkeys(whole)) for layer in own]
            found += [
                {**about, "split": split, **asdict(layer), **layer.energies(profiles), **only_whole}
                for layer, only_whole in layers
            ]
    return found
