"""Staleness: CQP with criticality measured once at the dense net; the `prune` stage measures it anew at every level."""

from pipeline.io.files import Row
from pipeline.io.progress import TerminalProgress
from pipeline.study import DENSE, Experiment, Inputs, StudyParams
from snnprune.core.checkpoint import load_parameters
from snnprune.core.training.evaluate import accuracy
from snnprune.methods import cqp
from snnprune.pruning.iterate import prune_levels
from snnprune.pruning.params import Level
from snnprune.pruning.registry import load_method

METHOD = "cqp"
NEEDS = DENSE
BESIDE = (METHOD,)
READS = {"methods.cqp": cqp.Params}  # keys are literal: pipeline/slots.py reads them without importing this file


class Params(StudyParams):
    """Compared from level `above` on."""

    above: Level = 0.9


def problems(params: Params, experiment: Experiment) -> list[str]:
    """The stage `prune` must measure criticality anew, and reach a level that counts."""
    where, prune = f"experiments.{experiment.name}", experiment.blocks.get("prune")
    found = []
    if prune and prune.criticality.frozen:
        found.append(f"{where}.prune.criticality.frozen: must be false where there is a staleness block; found true")
    if prune and max(prune.targets) < params.above:
        found.append(f"{where}.staleness.above: no level of {where}.prune is that high; found {params.above}")
    return found


def rows(inputs: Inputs[Params], seed: int) -> list[Row]:
    """One row per level of CQP with frozen criticality; all else as in the `prune` stage, random draws included."""
    criticality = inputs.prune.criticality.model_copy(update={"frozen": True})
    network = inputs.dense(seed)
    levels = prune_levels(
        network,
        inputs.dataset.train,
        inputs.dataset.validation,
        load_method(METHOD),
        inputs.blocks[f"methods.{METHOD}"],
        inputs.prune.model_copy(update={"criticality": criticality}),
        seed=seed,
        point=lambda level: inputs.resume.point(f"seed{seed}-level-{level}"),
        progress=TerminalProgress(METHOD, seed, note=", criticality frozen"),
    )
    found: list[Row] = []
    for level in levels:
        load_parameters(network, level.parameters)
        found.append(
            {
                "level": level.level,
                "nnz": level.mask.nnz,
                "frozen_validation_accuracy": level.validation,
                "frozen_accuracy": accuracy(network, inputs.dataset.test),
            }
        )
    return found
