"""Quantisation: what weights of few bits and neurons in whole numbers cost. Every net is rounded, with one scale a
layer or a row, and some are fine-tuned with straight-through rounding; which scales, validation says. Test accuracy,
silent neurons and operations are those of the integer network itself (`snnprune.quantise.integer`)."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Literal

import pydantic

from pipeline.io.files import Row
from pipeline.io.progress import TerminalProgress
from pipeline.study import NETS, PLAIN, Experiment, Inputs, Net, NetsParams
from snnprune.core.dataset import Split
from snnprune.core.own_model import Model
from snnprune.core.params import NoisyDirect
from snnprune.core.training.evaluate import accuracy
from snnprune.core.training.loss import CROSS_ENTROPY, distilled, taught_by
from snnprune.core.training.params import FinetuneParams
from snnprune.energy.profiles import FILE, energy_pj, load_profiles
from snnprune.pruning.params import Levels, PruneParams
from snnprune.quantise.activity import Activity, activity
from snnprune.quantise.finetune import Finetuning
from snnprune.quantise.footprint import PackedFootprint, of_float, of_integer
from snnprune.quantise.quantise import Quantised, quantise
from snnprune.quantise.rounding import PER, Per

NEEDS = NETS
ASKS = (PLAIN,)
READS = {"model": Model, "prune": PruneParams}
FILES = (FILE,)
FLOAT_BITS = 32
FLOAT_PROFILE, INTEGER_PROFILE = "horowitz_45nm_fp32", "horowitz_45nm_int8"
QUANTISE = 4  # tells the draws of this fine-tuning from those of a net's other ones in the seed


class Tuned(FinetuneParams):
    """Fine-tuning of the nets of some methods at some levels."""

    methods: Annotated[list[str], pydantic.Field(min_length=1)]
    levels: Levels


class Params(NetsParams):
    """bits: of the weights, beside the float32 ones. finetune: which nets are fine-tuned too, and how."""

    bits: Annotated[list[Literal[8, 4]], pydantic.Field(min_length=1)] = [8, 4]
    finetune: Tuned | None = None


def problems(params: Params, experiment: Experiment) -> list[str]:
    """The encoding has an integer form, and the nets to fine-tune are there."""
    where, (model, prune) = f"experiments.{experiment.name}", (experiment.blocks.get(name) for name in READS)
    found = []
    if model is not None and isinstance(model.encoding, NoisyDirect):
        allowed = "allowed for quantise are direct, rate, latency and frames"
        found.append(f"{where}.model.encoding: noisy_direct has no integer form; {allowed}")
    if params.finetune is not None:
        levels = params.finetune.levels if prune is None else prune.targets
        there = {"methods": experiment.matrix.methods, "levels": levels}
        found += [
            f"{where}.quantise.finetune.{key}: no net is of {value}; there are: {', '.join(map(str, there[key]))}"
            for key in there
            for value in getattr(params.finetune, key)
            if value not in there[key]
        ]
    return found


def rows(inputs: Inputs[Params], seed: int) -> list[Row]:
    """One row per net, bits, scales and fine-tuning."""
    return inputs.rows_of_nets(seed, lambda net: rows_of_net(net, inputs, seed))


def rows_of_net(net: Net, inputs: Inputs[Params], seed: int) -> list[Row]:
    """The row of the net as it is, then those of its quantised ones. Of each number of bits, rounded or fine-tuned, the
    scales with the highest validation accuracy are `chosen` (a layer's among equals), and only they are run on test;
    fine-tuned are those that are best rounded."""
    tuned, test = inputs.params.finetune, inputs.dataset.test
    is_tuned = tuned is not None and net.method in tuned.methods and net.level in tuned.levels
    before = activity(net.network, test)
    whole = _tested(before, before, test, of_float(net.network), FLOAT_PROFILE)
    about = {"method": net.method, "level": net.level}

    def row(bits: int, per: str, finetuned: bool, validation: float, tested: Row | None) -> Row:
        which = {"bits": bits, "per": per, "finetuned": finetuned, "validation_accuracy": validation}
        return {**about, **which, "chosen": tested is not None, **(tested or dict.fromkeys(whole))}

    found = [row(FLOAT_BITS, "none", False, accuracy(net.network, inputs.dataset.validation), whole)]
    for bits in inputs.params.bits:
        rounded = {per: quantise(net.network, bits, per) for per in PER}
        validation, best = best_scales(rounded, inputs.dataset.validation)
        tested = _of_integer(rounded[best], before, test)
        found += [row(bits, per, False, validation[per], tested if per == best else None) for per in PER]
        if is_tuned:
            quantised = quantise(net.network, bits, best, finetuning(net, bits, tuned, inputs, seed))
            there = quantised.accuracy(inputs.dataset.validation)
            found.append(row(bits, best, True, there, _of_integer(quantised, before, test)))
    return found


def best_scales(rounded: Mapping[Per, Quantised], validation: Split) -> tuple[dict[Per, float], Per]:
    """The validation accuracy of a net rounded with each kind of scales, and the kind that is best."""
    found = {per: quantised.accuracy(validation) for per, quantised in rounded.items()}
    return found, max(PER, key=found.get)


def finetuning(net: Net, bits: int, params: FinetuneParams, inputs: Inputs[Params], seed: int) -> Finetuning:
    """How a net of `seed` is fine-tuned with weights of so many bits."""
    loss = CROSS_ENTROPY
    if params.distillation is not None:
        loss = distilled(taught_by(inputs.dense(seed)), params.distillation)
    return Finetuning(
        inputs.dataset.train,
        params,
        loss,
        inputs.dataset.validation,
        seed_path=(seed, bits, QUANTISE),
        progress=TerminalProgress(net.method, seed, net.level, note=f", {bits} bits"),
        resume=inputs.resume.point(f"seed{seed}-{net.method}-{net.level}-{bits}-bits"),
    )


def _of_integer(quantised: Quantised, before: Activity, test: Split) -> Row:
    size = of_integer(quantised.integer)
    return _tested(activity(quantised, test), before, test, size, INTEGER_PROFILE)


def _tested(found: Activity, before: Activity, test: Split, size: PackedFootprint, profile: str) -> Row:
    """What a net does on test: `differing` is the share of decisions that are not those of the net `before`."""
    energy = energy_pj(found.macs_once, found.acs, found.neuron_updates, load_profiles()[profile])
    return {
        "accuracy": (found.decisions == test.labels.cpu()).double().mean().item(),
        "differing": (found.decisions != before.decisions).double().mean().item(),
        **asdict(size),
        "total_bytes": size.total_bytes,
        "silent": found.silent,
        "macs_once": found.macs_once,
        "acs": found.acs,
        "neuron_updates": found.neuron_updates,
        "profile": profile,
        "energy_once_pj": energy,
    }
