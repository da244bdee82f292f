"""What an experiment with a network of the user's own is checked for before any work: its files, how it is run, and the
studies that cannot run on it."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from pipeline.study import COLUMNS, EVERY_STEP, FEWER_STEPS, PLAIN, TRAINED, Study
from snnprune.adapters.network import AdaptedNetwork
from snnprune.adapters.own import bring, load_model
from snnprune.core.errors import UserError
from snnprune.core.network import evaluating
from snnprune.core.own_model import OwnModel
from snnprune.core.params import Frames
from snnprune.pruning.mask import prunable_weights

SAMPLES = 3


def own_problems(where: str, blocks: Mapping[str, Any], there: Sequence[Study], seeds: Sequence[int]) -> list[str]:
    """Problems of the user's network, in `blocks` (valid ones of an experiment), with each of the seeds, and of the
    studies `there` with it.
    Where the data's shape is known it is run on some random samples; else the train stage finds what is wrong."""
    model, data = blocks.get("model"), blocks.get("data")
    if not isinstance(model, OwnModel):
        return []
    models = [model.of(seed) for seed in seeds] if model.is_trained and not model.is_shared else [model]
    files = dict.fromkeys(file for one in models for file in one.files)
    if missing := [f"{where}.model: {file}: no such file" for file in files if not file.is_file()]:
        return missing
    lacking = {TRAINED: "comes trained, so that there is no state of an optimiser"} if model.is_trained else {}
    try:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            for one in models:
                load_model(one)
            if models and data is not None and data.sample_shape is not None:
                lacking |= _lacking(models[0], torch.rand(SAMPLES, *data.sample_shape))
    except UserError as error:
        return [f"{where}.model: {error}"]
    return [
        f"{where}.{study.name}: is not possible here: the network {reason}; take the block out"
        for study in there
        for asked, reason in lacking.items()
        if asked in study.asks
    ]


def _lacking(model: OwnModel, samples: torch.Tensor) -> dict[str, str]:
    """What studies may ask of a network and this one has not, and why."""
    adapted = bring(model, samples.round() if isinstance(model.encoding, Frames) else samples)
    network = adapted.network
    name, weight = next(iter(prunable_weights(network).items()))
    lacking = {}
    if weight.shape[1] == 1:
        lacking[COLUMNS] = f"has a single input in its first layer, {network.names.get(name, name)}"
    if not isinstance(network, AdaptedNetwork):
        return lacking
    steps = network.spec.timesteps
    lacking[PLAIN] = f"is no plain sequence of layers: {adapted.why}"
    if network.runs_whole:
        lacking[FEWER_STEPS] = f"loops over its {steps} steps in its own forward, and cannot be run for fewer"
    with torch.no_grad(), evaluating(network):
        found = len(network.spikes(samples, seed=0))
    if found < steps:
        lacking[EVERY_STEP] = f"sums its outputs up over its {steps} steps itself"
    return lacking
