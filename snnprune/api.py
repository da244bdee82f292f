"""The library in short: `snnprune.build`, `load`, `adapt`, `save`, `train`, `prune`, `compensate`, `compile`,
`accuracy`, `count_operations`. No function changes a network it is given, prints anything, or moves torch's global
generators."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from snnprune.adapters.adapt import adapt as adapt
from snnprune.adapters.network import AdaptedNetwork
from snnprune.core.checkpoint import load_network, save_network
from snnprune.core.dataset import Data, Split
from snnprune.core.digest import digest_of
from snnprune.core.errors import DataError as DataError
from snnprune.core.errors import UserError as UserError
from snnprune.core.fitting import fitting, require_network
from snnprune.core.network import SpikingNetwork, build_network
from snnprune.core.params import ModelParams
from snnprune.core.schema import as_python, validate
from snnprune.core.seeds import require_seed, seed_everything
from snnprune.core.training.evaluate import accuracy as accuracy
from snnprune.core.training.fit import Epoch, Progress, ResumePoint, fit, make_optimizer
from snnprune.core.training.loss import Loss, cross_entropy, of_batch
from snnprune.core.training.params import Distillation as Distillation
from snnprune.core.training.params import FinetuneParams as Finetune
from snnprune.core.training.params import FitParams as Training
from snnprune.data.events.load import load_events as load_events
from snnprune.data.idx import load_idx as load_idx
from snnprune.energy.measure import Measurement, measure
from snnprune.limits.params import PROFILE, Limits
from snnprune.limits.prune import Achieved, prune_limited
from snnprune.pruning.compensate import DAMPING, SAMPLES, Compensation, require_plain
from snnprune.pruning.iterate import PrunedLevel
from snnprune.pruning.mask import Mask
from snnprune.pruning.params import CriticalityParams as Criticality
from snnprune.pruning.params import Pruning
from snnprune.pruning.registry import available as list_methods  # noqa: F401
from snnprune.pruning.registry import load_method
from snnprune.sparse.runtime import Compiled as Compiled
from snnprune.sparse.runtime import compile as compile

TRAINING = Training(epochs=20)
CRITICALITY = Criticality()
DEFAULT_LEVEL = 0.9


@dataclass(frozen=True)
class Pruned:
    """A pruned network, in evaluation mode, the levels it went through (the last one is the network's), and, where
    limits were asked for, what it takes: synapses, bytes, operations and energy."""

    network: SpikingNetwork | AdaptedNetwork
    levels: list[PrunedLevel]
    achieved: Achieved | None

    @property
    def mask(self) -> Mask:
        """The synapses that are kept."""
        return self.levels[-1].mask

    @property
    def nnz(self) -> int:
        """Number of synapses that are kept."""
        return self.mask.nnz

    @property
    def sparsity(self) -> float:
        """Pruned synapses / prunable synapses, 0..1, over the whole network."""
        return self.mask.sparsity


def build(layers: Sequence[int] | str, *, seed: int = 0, **model: Any) -> SpikingNetwork:
    """A feed-forward network of leaky integrate-and-fire neurons with fresh weights.

    layers: neuron counts from input to output, or a notation such as "28x28-12C5-MP2-64C5-MP2-10".
    model: beta (0.9), threshold (1.0), reset ("subtract" or "zero"), timesteps (10), dropout (0.0), surrogate, encoding
        (such as {"name": "rate", "gain": 0.5}, of events {"name": "frames"}); see `snnprune.core.params.ModelParams`.
    Raises UserError: an unknown or impossible value; names the key, what was found and what is allowed.

    >>> build([64, 128, 10], timesteps=8, encoding={"name": "rate"})(torch.rand(5, 1, 8, 8)).shape
    torch.Size([5, 10])
    """
    seed = require_seed(seed)
    spec = validate(ModelParams, {"layers": layers, **model}, "model")
    with torch.random.fork_rng():
        seed_everything(seed)
        return build_network(spec).eval()


def load(path: str | Path) -> SpikingNetwork:
    """A network saved by `save` or by the pipeline, in evaluation mode, on the CPU, float32 or float64 as it was.
    Raises FileNotFoundError: there is no such file. Raises UserError: the file is damaged, or holds no network."""
    with torch.random.fork_rng():  # building it draws weights
        return load_network(Path(path))


def save(network: SpikingNetwork | Pruned, path: str | Path) -> None:
    """Write weights, biases and architecture as one safetensors file; of a `Pruned` only the weights that are kept.
    Raises UserError: it is no network, or one that runs a forward that no file holds."""
    if isinstance(network, Pruned):
        save_network(Path(path), network.network, network.mask)
    else:
        require_network(network)
        save_network(Path(path), network)


def train(
    network: SpikingNetwork,
    data: Data,
    *,
    training: Training | Mapping[str, Any] = TRAINING,
    validation: Data | None = None,
    seed: int = 0,
    loss: Loss = cross_entropy,
    on_epoch: Callable[[Epoch], object] | None = None,
    progress: Progress | None = None,
    resume: str | Path | None = None,
) -> SpikingNetwork:
    """A trained copy of `network`, in evaluation mode. The same seed gives the same weights on the same kind of CPU.

    data, validation: images [N, C, H, W] in 0..1, or frames of events [N, T, C, H, W], and labels [N] (`as_split`);
        DataError unless they fit the network, whose type (float32 or float64) images get.
    training: such as Training(epochs=5), or {"epochs": 5}.
    loss: a function of spike counts [B, classes], images or frames [B, ...] and labels [B].
    on_epoch: called after each epoch with its loss and validation accuracy. progress: receives more; silent by default.
    resume: a file that holds the state after each epoch; an interrupted run goes on from it and ends the same.
    Raises UserError: an impossible value, or `resume` is of another run: another network, data, training or seed, or a
        loss of another name.

    >>> data = torch.rand(40, 1, 4, 4), torch.arange(40) % 2
    >>> net = train(build([16, 8, 2]), data, training=Training(epochs=2), on_epoch=lambda epoch: print(epoch.epoch))
    1
    2
    """
    training, seed = validate(Training, training, "training"), require_seed(seed)
    train_split = fitting(network, data)
    validation_split = None if validation is None else fitting(network, validation)
    network = copy.deepcopy(network)
    run = "" if resume is None else _run(network, train_split, validation_split, loss)
    with torch.random.fork_rng():
        fit(
            network,
            make_optimizer(network, training),
            train_split,
            validation_split,
            training,
            seed_path=(seed,),
            loss=of_batch(loss),
            on_epoch=on_epoch,
            progress=progress,
            resume=None if resume is None else ResumePoint(Path(resume), run),
        )
    return network.eval()


def prune(
    network: SpikingNetwork | AdaptedNetwork,
    data: Data,
    *,
    method: str = "cqp",
    level: float | Sequence[float] | None = None,
    max_bytes: float | None = None,
    max_operations: float | None = None,
    max_energy_pj: float | None = None,
    profile: str = PROFILE,
    fan_in: int | None = None,
    pattern: Sequence[int] | None = None,
    neurons: bool = False,
    per_cost: bool = False,
    compensate: bool = False,
    finetune: Finetune | Mapping[str, Any] | None = None,
    validation: Data | None = None,
    method_params: Mapping[str, Any] | None = None,
    scope: Literal["global", "layer"] = "global",
    criticality: Criticality | Mapping[str, Any] = CRITICALITY,
    seed: int = 0,
    loss: Loss = cross_entropy,
    on_epoch: Callable[[float, Epoch], object] | None = None,
    progress: Progress | None = None,
    resume: str | Path | None = None,
) -> Pruned:
    """A copy of `network` with exactly `round((1 - level) * n)` of its n synapses (solver methods may miss that).

    network: the library's own, or one of `adapt`. data, validation: as in `train`; criticality and fine-tuning read
        `data` alone.
    method: one of `list_methods()`. method_params: its own, such as {"alpha": 0.25} of cqp.
    level: the sparsity, above 0 and below 1; of rising ones each is pruned to in turn, and fine-tuned. None: what the
        limits below ask for; without any, 0.9.
    max_bytes, max_operations, max_energy_pj: a budget instead of a level: of the weights in sparse rows, or of a sample
        of `data` (on the hardware `profile`). per_cost: it goes to the highest score for each unit of cost.
    fan_in: inputs of a neuron at most. pattern: (n, m), of any m neighbours along the inputs n at most. neurons: whole
        neurons go. All these need a method that gives every synapse a score.
    compensate: solve the weights that are kept anew for the currents of the dense net, before any fine-tuning; see the
        function of this name, which does it for any mask. Not for a method of several rounds that is fine-tuned.
    finetune: fine-tuning under the mask; None: none. scope: one ranking over all layers, or the same share of each.
    on_epoch(level, epoch): called after each epoch. loss, progress: as in `train`. resume: a folder, one file a level.
    Raises UserError: unknown method, an impossible value, data that do not fit, limits that cannot be met, or `resume`
        is of another run, as in `train`; it says what is possible.

    >>> _ = torch.manual_seed(0)
    >>> data = torch.rand(40, 1, 4, 4), torch.arange(40) % 2
    >>> pruned = prune(build([16, 8, 2]), data, method="magnitude", level=[0.5, 0.75])
    >>> pruned.sparsity, [step.mask.nnz for step in pruned.levels]
    (0.75, [72, 36])
    >>> print(prune(build([16, 8, 2]), data, method="magnitude", max_bytes=200, fan_in=4).achieved)
    30 synapses, 198 bytes of weights, 29 operations, 391 pJ; 100.00 % of the summed score that is possible
    """
    chosen, seed = load_method(method), require_seed(seed)
    levels = as_python(DEFAULT_LEVEL if level is None else level)
    own = validate(chosen.params, {} if method_params is None else method_params, "method_params")
    limits = validate(
        Limits,
        {
            "max_bytes": max_bytes,
            "max_operations": max_operations,
            "max_energy_pj": max_energy_pj,
            "profile": profile,
            "fan_in": fan_in,
            "pattern": pattern,
            "neurons": neurons,
            "per_cost": per_cost,
        },
        "prune",
    )
    blocks = {"scope": scope, "criticality": criticality, "finetune": finetune}
    levels = levels if isinstance(levels, list) else [levels]
    params = validate(Pruning, {"levels": levels, "compensate": compensate, **blocks}, "prune")
    train_split = fitting(network, data)
    validation_split = None if validation is None else fitting(network, validation)
    network = copy.deepcopy(network)
    settings = method, own, limits, params.model_copy(update={"levels": None})
    run = "" if resume is None else _run(network, train_split, validation_split, loss, *settings)
    with torch.random.fork_rng():
        steps, achieved = prune_limited(
            network,
            train_split,
            validation_split,
            chosen,
            own,
            params,
            limits,
            to_levels=level is not None or not limits.any,
            seed=seed,
            loss=loss,
            on_epoch=on_epoch,
            progress=progress,
            point=None if resume is None else lambda level: ResumePoint(Path(resume) / f"level-{level}.pt", run),
        )
    return Pruned(network.eval(), steps, achieved)


def compensate(
    network: SpikingNetwork,
    mask: Mapping[str, Tensor],
    data: Data,
    *,
    samples: int = SAMPLES,
    damping: float = DAMPING,
    seed: int = 0,
) -> SpikingNetwork:
    """A copy of the dense `network` under `mask`, with the weights that are kept, and the biases, solved anew so that
    neurons get the dense net's currents: least squares on `samples` of `data`, in seconds, without training.

    mask: such as `prune(...).mask`. damping: how hard weights are held where they are, a share of an input's mean
        square. seed: of which samples are taken. See `snnprune.pruning.compensate` for the equations.
    Raises UserError: the network runs a forward of its own, the mask does not fit it, or a value is impossible. Raises
        DataError: the data do not fit the network.

    >>> net, data = build([16, 8, 2]), (torch.rand(40, 1, 4, 4), torch.arange(40) % 2)
    >>> mask = prune(net, data, method="obs", level=0.5).mask
    >>> mask.nnz
    72
    >>> compensate(net, mask, data)(data[0]).shape
    torch.Size([40, 2])
    """
    require_network(network)
    require_plain(network, "compensate")
    seed = require_seed(seed)
    if not isinstance(samples, int) or samples < 1:
        raise UserError(f"samples: found {samples}; allowed are whole numbers from 1")
    try:
        Mask(mask).require_fitting(network)
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(f"mask: {error}") from error
    return Compensation.on(network, fitting(network, data), samples=samples, damping=damping, seed=seed).network(mask)


def count_operations(network: SpikingNetwork | AdaptedNetwork, data: Data, steps: int | None = None) -> Measurement:
    """What the network computes for a sample: MACs and ACs whose weight and input are not zero, neuron updates.

    Means over `data`, counted from real spikes as NeuroBench does (arXiv 2304.04640), for the first `steps` time steps
    (None: all), layer by layer and in sum; `macs_once` has those of a constant input only once. Raises DataError: the
    data do not fit the network. Raises ValueError: `steps` is not within 1..T.

    >>> counted = count_operations(build([16, 8, 2], timesteps=5), (torch.ones(3, 1, 4, 4), [0, 1, 1]))
    >>> counted.macs, counted.macs_once, counted.neuron_updates
    (640.0, 128.0, 50)
    """
    return measure(network, fitting(network, data), steps)


def _run(network: nn.Module, train: Split, validation: Split | None, loss: Loss, *settings: object) -> str:
    """What a resume point is of, beside what `fit` compares: data, settings, the code of a user's own network; of the
    loss its name alone."""
    code = network.code if isinstance(network, AdaptedNetwork) else ""
    splits = {"train": train} if validation is None else {"train": train, "validation": validation}
    data = {f"{name} {part}": getattr(split, part) for name, split in splits.items() for part in ("images", "labels")}
    name = getattr(loss, "__qualname__", type(loss).__qualname__)
    return digest_of((name, code, *settings), network.state_dict() | data)
