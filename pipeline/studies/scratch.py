"""Training from scratch at a sparsity, instead of pruning a trained net: every approach of
`snnprune/scratch/approaches` starts from the weights with which the dense training of the same seed began, and trains,
by the block `train` and without distillation, for as many epochs as a pruned net of that level had in all:
`train.epochs`, and `prune.finetune.epochs` for every level up to and including its own. The first epochs of a lottery
ticket, up to its rewinding, are dense ones; the whole dense training that finds its mask comes on top
(`mask_epochs`)."""

from functools import partial
from typing import Annotated

import pydantic
from torch import Tensor

from pipeline.io.files import Row
from pipeline.io.nets import net_name
from pipeline.io.progress import TerminalProgress
from pipeline.study import DENSE, PLAIN, TRAINED, Experiment, Inputs, StudyParams
from snnprune.core.checkpoint import load_parameters
from snnprune.core.schema import Count
from snnprune.core.training.params import FitParams
from snnprune.energy.measure import measure
from snnprune.energy.profiles import FILE, load_profiles
from snnprune.pruning.mask import prunable_weights
from snnprune.pruning.params import Levels, PruneParams
from snnprune.scratch.registry import Approach, available, load_approach
from snnprune.scratch.train import fresh, rewound, train_sparse

NEEDS = DENSE
ASKS = (PLAIN, TRAINED)
BESIDE = ("cqp", "magnitude")
READS = {"train": FitParams}
FILES = (FILE,)
SCRATCH = 5  # tells this study's draws from those of the pruning runs (pruning/iterate.py)
SEED_PATH = (0, SCRATCH)  # after the seed: all approaches and levels see the same batches


class Params(StudyParams):
    """Which approaches and levels (of those in `prune`). every: optimiser steps between two changes of RigL's
    mask. rewind: the epoch of the dense training to whose weights lottery goes back (0: before the first)."""

    methods: Annotated[list[str], pydantic.Field(min_length=1)]
    levels: Levels
    every: Count = 100
    rewind: pydantic.NonNegativeInt = 1

    @pydantic.field_validator("methods")
    @classmethod
    def _known(cls, methods: list[str]) -> list[str]:
        if unknown := [name for name in methods if name not in available()]:
            raise ValueError(f"unknown are {', '.join(unknown)}; available are: {', '.join(available())}")
        if len(set(methods)) < len(methods):
            raise ValueError("each may be named once")
        return methods


def problems(params: Params, experiment: Experiment) -> list[str]:
    """It needs the pruned nets of its levels, and an epoch to rewind to."""
    where, (prune, fit) = f"experiments.{experiment.name}", (experiment.blocks.get(name) for name in ("prune", "train"))
    found: list[str] = []
    if prune is not None:
        found += [
            f"{where}.scratch.levels: {level:g} is none of the levels in {where}.prune: "
            f"{', '.join(f'{one:g}' for one in prune.targets)}"
            for level in params.levels
            if level not in prune.targets
        ]
    if fit is not None and params.rewind >= fit.epochs:
        found.append(f"{where}.scratch.rewind: must be below {fit.epochs}, {where}.train.epochs; found {params.rewind}")
    return found


def rows(inputs: Inputs[Params], seed: int) -> list[Row]:
    """One row per approach and level; a net that is done is saved, and one that is not after every epoch."""
    found: list[Row] = []
    nets = [(name, level) for name in inputs.params.methods for level in inputs.params.levels]
    for name, level in nets:
        make = partial(row_of_net, load_approach(name), level, inputs, seed)
        found.append(inputs.resume.once(f"seed{seed}-{name}-{level}", make))
        accuracy = f"test accuracy {100 * found[-1]['accuracy']:.2f} %"
        print(f"  {net_name(name, level, seed)}, from scratch: {accuracy} ({len(found)}/{len(nets)})", flush=True)
    return found


def epochs_of(level: float, fit: FitParams, prune: PruneParams) -> int:
    """Epochs that a pruned net of this level had in all, those of the dense net included."""
    return fit.epochs + prune.finetune.epochs * (prune.targets.index(level) + 1)


def row_of_net(approach: Approach, level: float, inputs: Inputs[Params], seed: int) -> Row:
    """Train one net and measure it. nnz: synapses of the mask; nonzero: those whose weight is not zero, as one of a
    pixel that is never lit stays. epochs: of the net, dense ones before rewinding included. Counts are
    means of a sample on test, a constant input counted once."""
    fit, dataset = inputs.blocks["train"], inputs.dataset
    epochs, rewind = epochs_of(level, fit, inputs.prune), inputs.params.rewind if approach.rewinds else 0
    network = fresh(inputs.dense(seed), seed)
    scored = inputs.dense(seed) if approach.rewinds else network
    mask = approach.mask(inputs.problem(scored, seed, level))
    if approach.rewinds:
        load_parameters(network, _rewound(inputs, seed))
    mask, done = train_sparse(
        network,
        mask,
        approach.rewiring,
        dataset.train,
        dataset.validation,
        fit.model_copy(update={"epochs": epochs - rewind}),
        every=inputs.params.every,
        seed_path=(seed, *SEED_PATH),
        progress=TerminalProgress(approach.name, seed, level, note=", from scratch"),
        resume=inputs.resume.point(f"seed{seed}-{approach.name}-{level}-epochs"),
    )
    measured = measure(network, dataset.test)
    total = measured.total
    return {
        "method": approach.name,
        "level": level,
        "nnz": mask.nnz,
        "nonzero": sum(int(weight.count_nonzero()) for weight in prunable_weights(network).values()),
        "epochs": epochs,
        "mask_epochs": fit.epochs if approach.rewinds else 0,
        "validation_accuracy": done[-1].validation_accuracy,
        "accuracy": measured.accuracy,
        "effective_macs_once": total.macs_once,
        "effective_acs": total.acs,
        "neuron_updates": total.neuron_updates,
        **{name: value for name, value in total.energies(load_profiles()).items() if name.startswith("energy_once")},
    }


def _rewound(inputs: Inputs[Params], seed: int) -> dict[str, Tensor]:
    """The dense net's parameters after its epoch `rewind`, made once a seed."""
    epoch = inputs.params.rewind
    return inputs.resume.once(
        f"seed{seed}-rewound",
        lambda: rewound(
            fresh(inputs.dense(seed), seed),
            epoch,
            inputs.dataset.train,
            inputs.blocks["train"],
            seed=seed,
            progress=TerminalProgress("dense", seed, note=f", to be rewound to epoch {epoch}"),
            resume=inputs.resume.point(f"seed{seed}-rewound-epochs"),
        ),
    )
