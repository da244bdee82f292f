"""Schemas of the study blocks about masks; all but `layers` are optional, and no block means no such study.

Those of time and energy are in `snnprune/temporal/params.py` and `snnprune/energy/params.py`.
"""

from typing import Annotated, Literal

import pydantic

from snnprune.core.schema import Block, rising
from snnprune.pruning.params import CriticalityParams, Granularity, Level
from snnprune.training.params import FitParams

Alpha = Annotated[float, pydantic.Field(ge=0)]
Tau = Annotated[float, pydantic.Field(ge=0, le=1)]
Count = Annotated[int, pydantic.Field(ge=1)]


Levels = Annotated[list[Level], pydantic.Field(min_length=1), pydantic.AfterValidator(rising)]
Taus = Annotated[list[Tau], pydantic.Field(min_length=2), pydantic.AfterValidator(rising)]
Alphas = Annotated[list[Alpha], pydantic.Field(min_length=2), pydantic.AfterValidator(rising)]


class LayersParams(Block):
    """Layer sensitivity: every layer alone pruned in one step to `levels` by CQP's importance, not fine-tuned."""

    levels: Levels
    alpha: Alpha = 0.5


class RelaxationParams(Block):
    """The relaxed programs of the dense net at every level of the `prune` block.

    alpha: of the importance. tau: synapses of presynaptic neurons with criticality above it are protected in the form
    `energy`. tolerance, max_iter: OSQP's.
    """

    alpha: Alpha = 0.5
    tau: Tau = 0.5
    tolerance: Annotated[float, pydantic.Field(gt=0, le=0.1)] = 1e-5
    max_iter: Count = 20_000


class ZombiesParams(Block):
    """Fine-tuning with the dense training's own Adam state, the guards switched on one after the other.

    level: sparsity (magnitude, one step). steps: optimiser steps. lr: learning rate, constant. every: steps between two
    accuracies.
    """

    level: Level = 0.9
    steps: Count = 200
    every: Count = 20
    lr: Annotated[float, pydantic.Field(gt=0, le=1)] = 1e-3


class StalenessParams(Block):
    """CQP with criticality frozen at the dense net, against the `prune` stage; compared from level `above` on."""

    above: Level = 0.9


class SweepParams(Block):
    """Threshold sweep: masks straight from the dense net at every tau, not fine-tuned.

    level: target sparsity. layers: `first` (as the paper author's code) or `all`. granularity: of the criticality that
    protects.
    """

    thresholds: Taus
    level: Level = 0.7
    layers: Literal["first", "all"] = "first"
    granularity: Granularity = "neuron"
    alpha: Alpha = 0.5


class AlphaParams(Block):
    """Alpha sweep: CQP (by synapses, no tau) over `levels` with every alpha, fine-tuned as in `prune`, on `seeds`.

    The choice is the alpha with the highest mean validation accuracy over levels and seeds; test is not read.
    """

    values: Alphas
    levels: Levels
    seeds: Annotated[list[Annotated[int, pydantic.Field(ge=0)]], pydantic.Field(min_length=1)]


class PaperParams(Block):
    """Protocol `paper`, as in the public code of the paper's author: first layer only.

    CQP drops whole input columns in `rounds` linear rounds with fine-tuning on `batches` training batches after each;
    gradient drops columns, magnitude and random prune synapses, all three in one step without fine-tuning.
    """

    levels: Levels
    rounds: Count = 3
    alpha: Alpha = 1.0
    batches: Count = 10
    criticality: CriticalityParams = CriticalityParams(batches=4, batch_size=512)
    finetune: FitParams

    @pydantic.field_validator("criticality")
    @classmethod
    def _measured_anew(cls, criticality: CriticalityParams) -> CriticalityParams:
        if criticality.frozen:
            raise ValueError("frozen has no meaning here: criticality is measured anew in every round")
        return criticality
