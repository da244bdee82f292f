"""The opponent without time: the experiment's layers with ReLU, trained dense by the same block `train`, and pruned and
fine-tuned by the same code and block `prune`. Every net is measured as it is, float32, and with weights of 8 bits and
activations of as many as the spiking net's counts need (`snnprune.ann.quantise`). Rows hold counts; the report prices
them by the same profiles as the spiking nets', which stand beside."""

from dataclasses import asdict
from typing import Annotated, Literal

import pydantic
from torch import Tensor

from pipeline.io.files import Row
from pipeline.io.nets import net_name
from pipeline.io.progress import TerminalProgress
from pipeline.study import DENSE, PLAIN, TRAINED, Experiment, Inputs, StudyParams
from snnprune.ann.counts import count
from snnprune.ann.network import distilled_from, relu_network
from snnprune.ann.quantise import WEIGHT_BITS, activation_bits, quantised
from snnprune.core.checkpoint import copy_parameters, load_parameters
from snnprune.core.network import SpikingNetwork
from snnprune.core.params import ModelParams
from snnprune.core.seeds import seed_everything
from snnprune.core.training.evaluate import accuracy
from snnprune.core.training.fit import fit, make_optimizer
from snnprune.core.training.loss import cross_entropy
from snnprune.core.training.params import FitParams
from snnprune.methods import cqp
from snnprune.pruning.iterate import prune_levels
from snnprune.pruning.mask import prunable_weights
from snnprune.pruning.params import ALPHA, Alpha, Levels
from snnprune.pruning.registry import load_method

METHODS = ("cqp", "magnitude")
NEEDS = DENSE
ASKS = (PLAIN, TRAINED)
BESIDE = METHODS
READS = {"train": FitParams}
FLOAT_BITS = 32
CALIBRATION = 2000  # training images on which activations are scaled


class Params(StudyParams):
    """The ReLU network's pruning. methods: of `cqp` and `magnitude`. levels: among those that the spiking nets are
    pruned to. alpha: of CQP's importance; magnitude is the same code with alpha 0."""

    methods: Annotated[list[Literal["cqp", "magnitude"]], pydantic.Field(min_length=1)] = list(METHODS)
    levels: Levels
    alpha: Alpha = ALPHA


def problems(params: Params, experiment: Experiment) -> list[str]:
    """The report puts the spiking nets of the same levels beside, and ReLU has no membrane."""
    where, prune = f"experiments.{experiment.name}", experiment.blocks.get("prune")
    if prune is None:
        return []
    allowed = ", ".join(map(str, prune.targets))
    found = [
        f"{where}.ann.levels: {level} is none of the levels in {where}.prune: {allowed}"
        for level in params.levels
        if level not in prune.targets
    ]
    if prune.criticality.kind == "membrane":
        found.append(
            f"{where}.ann: a ReLU neuron has no membrane potential; allowed for prune.criticality.kind are sensitivity "
            "and taylor; found membrane"
        )
    return found


def rows(inputs: Inputs[Params], seed: int) -> list[Row]:
    """Two rows, float32 and quantised, of the dense ReLU network and of every method and level. Counts are of a test
    sample, means; `active` is the share of hidden activations that are not zero. Raises UserError: the data are frames
    of events."""
    spec = inputs.dense(seed).spec
    bits = activation_bits(spec.timesteps)
    dense = inputs.resume.once(f"seed{seed}-dense", lambda: _trained(spec, inputs, seed))
    network, teacher = (_with(dense, spec, inputs) for _ in range(2))
    found = _rows_of(network, DENSE, 0.0, inputs, bits)
    for method in inputs.params.methods:
        load_parameters(network, dense)
        for level, parameters in _pruned(network, teacher, method, inputs, seed).items():
            load_parameters(network, parameters)
            found += _rows_of(network, method, level, inputs, bits)
            print(f"  {net_name(method, level, seed)} with ReLU: done", flush=True)
    return found


def _trained(spec: ModelParams, inputs: Inputs[Params], seed: int) -> dict[str, Tensor]:
    """The parameters of the dense ReLU network, trained as the stage `train` does, from the same initial weights."""
    seed_everything(seed)
    network, params = relu_network(spec).to(inputs.device), inputs.blocks["train"]
    fit(
        network,
        make_optimizer(network, params),
        inputs.dataset.train,
        inputs.dataset.validation,
        params,
        seed_path=(seed,),
        progress=TerminalProgress(DENSE, seed, note=", ReLU"),
    )
    return copy_parameters(network)


def _with(parameters: dict[str, Tensor], spec: ModelParams, inputs: Inputs[Params]) -> SpikingNetwork:
    network = relu_network(spec).to(inputs.device)
    load_parameters(network, parameters)
    return network


def _pruned(
    network: SpikingNetwork, teacher: SpikingNetwork, method: str, inputs: Inputs[Params], seed: int
) -> dict[float, dict[str, Tensor]]:
    """Level -> the parameters of `network` (dense, changed in place) pruned to it; compensation, which matches what
    membranes integrate, is left out."""
    finetune, loss = inputs.prune.finetune, cross_entropy
    if finetune.distillation is not None:
        loss = distilled_from(teacher, finetune.distillation)
        finetune = finetune.model_copy(update={"distillation": None})
    changes = {"levels": inputs.params.levels, "schedule": None, "finetune": finetune, "compensate": False}
    levels = prune_levels(
        network,
        inputs.dataset.train,
        inputs.dataset.validation,
        load_method("cqp"),
        cqp.Params(alpha=inputs.params.alpha if method == "cqp" else 0.0),
        inputs.prune.model_copy(update=changes),
        seed=seed,
        loss=loss,
        point=lambda level: inputs.resume.point(f"seed{seed}-{method}-level-{level}"),
        progress=TerminalProgress(method, seed, note=", ReLU"),
    )
    return {level.level: level.parameters for level in levels}


def _rows_of(network: SpikingNetwork, method: str, level: float, inputs: Inputs[Params], bits: int) -> list[Row]:
    weights = prunable_weights(network).values()
    nnz = sum(int(weight.count_nonzero()) for weight in weights)
    few = quantised(network, bits, inputs.dataset.train.images[:CALIBRATION])
    kinds = (("float32", network, FLOAT_BITS, FLOAT_BITS), ("quantised", few, WEIGHT_BITS, bits))
    found: list[Row] = []
    for precision, net, weight_bits, activations in kinds:
        about = {"method": method, "level": level, "precision": precision}
        about |= {"weight_bits": weight_bits, "activation_bits": activations}
        about |= {"sparsity": 1 - nnz / sum(weight.numel() for weight in weights), "nnz": nnz}
        validation = accuracy(net, inputs.dataset.validation)
        found.append({**about, "validation_accuracy": validation, **asdict(count(net, inputs.dataset.test))})
    return found
