"""Fewer steps, fine-tuned: some pruned nets are trained on for a smaller number of time steps, beside the same nets cut
off there. Each is run with all of these steps, and with early exit, whose threshold validation chooses."""

import copy
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Annotated

import pydantic

from pipeline.io.files import Row
from pipeline.io.finished import net_file
from pipeline.io.nets import net_name
from pipeline.io.progress import TerminalProgress
from pipeline.study import FEWER_STEPS, NETS, PLAIN, Experiment, Inputs, Net, StudyParams
from snnprune.core.checkpoint import load_mask
from snnprune.core.dataset import Dataset
from snnprune.core.own_model import Model
from snnprune.core.schema import Fraction, Rising
from snnprune.core.training.evaluate import spikes_of
from snnprune.core.training.fit import ResumePoint
from snnprune.core.training.loss import (
    CROSS_ENTROPY,
    BatchLoss,
    can_be_tabled,
    distilled,
    looked_up,
    table_of,
    taught_by,
)
from snnprune.core.training.params import FinetuneParams
from snnprune.energy.exits import measure_exits
from snnprune.energy.measure import SUMS, measure
from snnprune.energy.profiles import FILE, Profile, load_profiles
from snnprune.pruning.finetune import finetune
from snnprune.pruning.mask import Mask
from snnprune.pruning.params import Levels, PruneParams
from snnprune.temporal.early_exit import cheapest_exit, exit_points
from snnprune.temporal.first_steps import FirstSteps

NEEDS = NETS
ASKS = (FEWER_STEPS, PLAIN)
READS = {"model": Model, "prune": PruneParams}
FILES = (FILE,)
TUNING = 5  # tells the draws of this fine-tuning from those of a net's other ones in the seed


class Params(StudyParams):
    """Which nets run for which numbers of steps. methods, levels: of the nets. steps: time steps, each below T.
    finetune: how a net is trained on for each of them, from the net of T steps on; distillation is from the dense net
    of T steps. thresholds, delta: of early exit, as in the study `early_exit`; delta is against the same net without
    it."""

    methods: Annotated[list[str], pydantic.Field(min_length=1)]
    levels: Levels
    steps: Rising[pydantic.PositiveInt]
    finetune: FinetuneParams
    thresholds: Rising[Fraction]
    delta: Fraction = 0.002


def problems(params: Params, experiment: Experiment) -> list[str]:
    """The nets are there, and have more steps than they are to run."""
    where, (model, prune) = f"experiments.{experiment.name}", (experiment.blocks.get(name) for name in READS)
    there = {"methods": experiment.matrix.methods, "levels": params.levels if prune is None else prune.targets}
    found = [
        f"{where}.fewer_steps.{key}: no net is of {value}; there are: {', '.join(map(str, there[key]))}"
        for key in there
        for value in getattr(params, key)
        if value not in there[key]
    ]
    if model is not None and model.timesteps is not None and max(params.steps) >= model.timesteps:
        allowed = f"allowed are 1 to {model.timesteps - 1}, below model.timesteps"
        found.append(f"{where}.fewer_steps.steps: {allowed}; found {params.steps}")
    return found


def rows(inputs: Inputs[Params], seed: int) -> list[Row]:
    """The rows of the nets of these methods and levels, by number of steps; raises ParamsError for the profiles. What
    was measured of a net is saved, and so is each epoch of its fine-tuning."""
    params, profiles, loss = inputs.params, load_profiles(), cache(lambda: _loss(inputs, seed))
    found: list[Row] = []
    for net in inputs.nets(seed, params.methods):
        if net.level not in params.levels:
            continue
        for steps in params.steps:
            part = f"seed{seed}-{net.method}-{net.level}-{steps}"
            tune = partial(_tune, inputs=inputs, seed=seed, loss=loss, resume=inputs.resume.point(f"{part}-tuned"))
            found += inputs.resume.once(part, partial(rows_of_net, net, steps, tune, inputs.dataset, params, profiles))
        print(f"  {net_name(net.method, net.level, seed)}: done", flush=True)
    return found


def rows_of_net(
    net: Net,
    steps: int,
    tune: Callable[[Net, int], None],
    dataset: Dataset,
    params: Params,
    profiles: Mapping[str, Profile],
) -> list[Row]:
    """Rows of a net that runs for `steps` steps, cut off there and then trained on for it by `tune`, which is given a
    copy and the steps: without early exit (no `threshold`) and with it, on validation and on test. Accuracy, and means
    over samples: steps, counts, energies."""
    found: list[Row] = []
    net = Net(net.method, net.level, copy.deepcopy(net.network))
    for is_tuned in (False, True):
        if is_tuned:
            tune(net, steps)
        spikes = spikes_of(net.network, dataset.validation, steps)
        points = exit_points(spikes, dataset.validation.labels, params.thresholds)
        for threshold in (None, cheapest_exit(points, params.delta).threshold):
            for split, samples in (("validation", dataset.validation), ("test", dataset.test)):
                if threshold is None:
                    measured, mean_steps = measure(net.network, samples, steps), float(steps)
                else:
                    measured = measure_exits(net.network, samples, threshold, steps)
                    mean_steps = measured.steps
                total = measured.total
                found.append(
                    {
                        "method": net.method,
                        "level": net.level,
                        "steps": steps,
                        "timesteps": net.network.spec.timesteps,
                        "tuned": is_tuned,
                        "threshold": threshold,
                        "split": split,
                        "mean_steps": mean_steps,
                        "accuracy": measured.accuracy,
                        **{name: getattr(total, name) for name in (*SUMS, "spike_rate")},
                        **total.energies(profiles),
                    }
                )
    return found


def _tune(
    net: Net, steps: int, *, inputs: Inputs[Params], seed: int, loss: Callable[[], BatchLoss], resume: ResumePoint
) -> None:
    """Train a net on, in place and under its mask, for its first `steps` steps."""
    finetune(
        FirstSteps(net.network, steps),
        Mask(load_mask(net_file(inputs.experiment, net.method, seed, net.level))),
        inputs.dataset.train,
        None,
        inputs.params.finetune,
        seed_path=(seed, steps, TUNING),
        loss=loss(),
        progress=TerminalProgress(net.method, seed, net.level, note=f", {steps} steps"),
        resume=resume,
    )


def _loss(inputs: Inputs[Params], seed: int) -> BatchLoss:
    """The loss of all fine-tuning of a seed; what the dense net says of the training samples is saved if they are asked
    for more often than that costs."""
    params = inputs.params
    if (distillation := params.finetune.distillation) is None:
        return CROSS_ENTROPY
    teacher, train = inputs.dense(seed), inputs.dataset.train
    epochs = params.finetune.epochs * len(params.methods) * len(params.levels) * len(params.steps)
    if not can_be_tabled(teacher, params.finetune, epochs):
        return distilled(taught_by(teacher), distillation)
    table = inputs.resume.once(f"seed{seed}-dense", lambda: table_of(teacher, train, params.finetune))
    return distilled(looked_up(table, params.finetune), distillation)
