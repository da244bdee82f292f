"""Prunes a network of the user's own, from its Python file and checkpoint, or a NIR file, to a folder of state dicts
and NIR files."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from pipeline.check_data.check import dataset_name
from pipeline.data.datasets import is_events
from pipeline.data.own import own_path
from pipeline.io.entry import require_writable
from pipeline.io.files import sha256, write_json
from pipeline.io.nets import percent
from pipeline.io.params import Runtime
from pipeline.io.resume import fingerprint
from pipeline.io.runtime import configure
from pipeline.prune_net.data import OwnData, read
from pipeline.prune_net.outputs import RESULTS, Levels, Tested, read_written, table, write_results
from snnprune.adapters.adapt import Adapted, adapt
from snnprune.adapters.own import CAUSES, TRIED, file_of, load_own, near_chance, require_classes, set_origin
from snnprune.core.errors import UserError
from snnprune.core.network import SpikingNetwork
from snnprune.core.own_model import RunningParams
from snnprune.core.params import Encoding, Frames
from snnprune.core.schema import validate
from snnprune.core.training.fit import ResumePoint
from snnprune.limits.costs import neuron_bytes
from snnprune.limits.params import Limits
from snnprune.limits.prune import prune_limited, require_possible
from snnprune.pruning.mask import prunable_weights
from snnprune.pruning.params import Pruning
from snnprune.pruning.registry import load_method

RESUME = ".resume"
OPTIONS = "options.json"  # in that folder: of the run that was interrupted
FRAMES = {"name": "frames"}
LEVEL = 0.9


@dataclass(frozen=True)
class Job:
    """What to prune, and how. running, pruning, limits: the fields of `RunningParams`, `Pruning` and `Limits`,
    checked by `prune`; without levels in `pruning` the limits say how much goes, and without limits 0.9 does."""

    network: str
    checkpoint: Path | None
    data: str
    out: Path
    method: str
    alpha: float | None
    running: Mapping[str, Any]
    pruning: Mapping[str, Any]
    seed: int
    device: str
    threads: int
    limits: Mapping[str, Any] = field(default_factory=dict)


def prune(job: Job) -> None:
    """Write `<out>/results.json`, and of every level `level-<level>.pt`, a state dict with the user's own names,
    `mask-<level>.pt`, of a plain sequence of layers `level-<level>.safetensors`, the library's own file, and of a NIR
    file `level-<level>.nir`. Print progress and a table. An interrupted run goes on when it is started again. Raises
    UserError: anything that the user can put right."""
    method = load_method(job.method)
    method_params = validate(method.params, {} if job.alpha is None else {"alpha": job.alpha}, "options")
    are_frames = is_events(dataset_name(job.data))
    running = validate(RunningParams, {**({"encoding": FRAMES} if are_frames else {}), **job.running}, "options")
    limits = validate(Limits, dict(job.limits), "options")
    levels = job.pruning.get("levels")
    pruning = validate(Pruning, {**job.pruning, "levels": levels or [LEVEL]}, "options")
    to_levels = bool(levels) or not limits.any
    require_possible(method, method_params, pruning, limits, to_levels=to_levels)
    runtime = {"threads": job.threads, "device": job.device}
    device = configure(validate(Runtime, runtime, "options"))
    _require_paths(job)
    print(f"network: {job.network}", flush=True)  # a module that trains where it is imported takes its time
    net = load_own(job.network, job.checkpoint, running.reset, running.reset_delay).to(device)
    data = read(job.data, running.timesteps, running.normalize).to(device)
    _require_encoding(running.encoding, are_frames)
    options = _options(job, data)
    _require_same(job.out, options)
    adapted = adapt(
        net, data.train.images[:TRIED], timesteps=running.timesteps, encoding=running.encoding, readout=running.readout
    )
    set_origin(adapted, running.normalize)
    network = adapted.network
    _say(adapted, data)
    dense = Tested.of(network, data.test)
    print(f"dense: test accuracy {100 * dense.accuracy:.2f} %", flush=True)
    _warn_near_chance(dense.accuracy, data)
    resume = job.out / RESUME / fingerprint(options, [])

    begin = partial(write_json, job.out / RESUME / OPTIONS, options)
    progress = Levels(job.out, adapted, data.test, method.name, job.seed, begin)
    _, achieved = prune_limited(
        network,
        data.train,
        data.validation,
        method,
        method_params,
        pruning,
        limits,
        to_levels=to_levels,
        seed=job.seed,
        progress=progress,
        point=lambda level: _Point(resume / f"{level}.pt", begin=begin),
    )
    about = {
        "method": {"name": method.name, **method_params.model_dump()},
        "seed": job.seed,
        "limits": None if achieved is None else {**limits.model_dump(), "achieved": asdict(achieved)},
        "finetune": None if pruning.finetune is None else pruning.finetune.model_dump(),
        "timesteps": network.spec.timesteps,
        "encoding": running.encoding.model_dump(),
        "readout": running.readout,
        "data": job.data,
        **running.model_dump(include={"normalize", "reset", "reset_delay"}),
        "own_forward": not isinstance(network, SpikingNetwork),
        "options": options,
        "folder": os.path.relpath(Path.cwd(), job.out.resolve()),
        "sample_shape": list(data.train.images.shape[1:]),
        "network": job.network,
        "checkpoint": None if job.checkpoint is None else job.checkpoint.name,
    }
    write_results(job.out, dense, progress.rows, about)
    shutil.rmtree(job.out / RESUME, ignore_errors=True)
    print(f"\n{table(dense, _synapses(network), progress.rows)}")
    if achieved is not None:
        print(f"\nof a training sample, at the end: {achieved}")
        print(_beside(network))
        if achieved.within is False:
            print("warning: that is over the budget: fine-tuning brings back more than pruning takes away")
    print(f"\nwritten: {job.out / RESULTS}, level-*.pt, mask-*.pt")


def _options(job: Job, data: OwnData) -> dict[str, Any]:
    """All that the run's results depend on, in one level; files by their SHA-256."""
    flat = {}
    for key, value in asdict(job).items():
        flat |= value if isinstance(value, dict) else {key: value}
    files = {"network": file_of(job.network), "checkpoint": job.checkpoint}
    digests = {key: None if file is None else sha256(file) for key, file in files.items()}
    return {**flat, "data": data.digest, **digests, "out": None}


@dataclass(frozen=True)
class _Point(ResumePoint):
    """One that calls `begin` before it saves: until then the run leaves nothing behind."""

    begin: Callable[[], None] = lambda: None

    def save(self, state: dict[str, Any]) -> None:
        """As `ResumePoint.save`."""
        self.begin()
        super().save(state)


def _require_paths(job: Job) -> None:
    """Raises UserError: the checkpoint is a folder, or the results cannot be written, or would lie among the data."""
    if job.checkpoint is not None and job.checkpoint.is_dir():
        raise UserError(f"{job.checkpoint}: is a folder; --checkpoint is a file")
    if job.out.exists() and not job.out.is_dir():
        raise UserError(f"{job.out}: is a file; --out is a folder")
    data = own_path(job.data)
    if data is not None and job.out.resolve().is_relative_to(data.resolve()):
        raise UserError(f"{job.out}: is among the data, {job.data}; choose another --out")
    require_writable(job.out)


def _require_same(out: Path, options: Mapping[str, Any]) -> None:
    """Raises UserError: the folder holds the results, or what an interrupted run left, of other options or files; or
    the file that says so is damaged."""
    now = json.loads(json.dumps(options))
    done, begun = out / RESULTS, out / RESUME / OPTIONS
    if done.is_file():
        _require_equal(out, "the results of another run", read_written(done).get("options", {}), now)
    if begun.is_file():
        _require_equal(out, "an interrupted run of other options", read_written(begun), now)


def _require_equal(out: Path, what: str, held: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    if other := sorted(key for key in held.keys() | now.keys() if held.get(key) != now.get(key)):
        raise UserError(f"{out}: holds {what} (other: {', '.join(other)}); choose another --out, or remove it")


def _require_encoding(encoding: Encoding, are_frames: bool) -> None:
    if isinstance(encoding, Frames) != are_frames:
        kind = "frames of events, whose encoding is frames" if are_frames else "images; frames is for events"
        raise UserError(f"encoding: found {encoding.name}; the data are {kind}")


def _say(adapted: Adapted, data: OwnData) -> None:
    """Print what the network is taken for. Raises UserError: it has fewer classes than the data."""
    network, spec = adapted.network, adapted.network.spec
    is_plain = isinstance(network, SpikingNetwork)
    require_classes(adapted, data.names)
    form = "as a plain sequence of layers" if is_plain else f"by its own forward ({adapted.why})"
    print(f"{type(adapted.net).__name__}: {_synapses(network):,} synapses, T {spec.timesteps}, run {form}")
    counts = ", ".join(f"{len(getattr(data, part).labels):,} {part}" for part in ("train", "validation", "test"))
    print(f"samples: {counts}")
    for note in data.notes:
        print(f"note: {note}")


def _warn_near_chance(accuracy: float, data: OwnData) -> None:
    if (chance := near_chance(accuracy, data.test.labels)) is not None:
        found, by_chance = f"{100 * accuracy:.2f} %", percent(chance)
        print(f"warning: {found} is near chance ({by_chance}); likely causes: {CAUSES}", flush=True)


def _beside(network: nn.Module) -> str:
    """What the bytes of the weights are, and what an export writes beside them."""
    more = "biases, what its neurons need, and its other layers"
    if isinstance(network, SpikingNetwork):
        more = f"biases and neurons' constants: at most {neuron_bytes(network):,} bytes"
    return f"bytes of weights: values, columns and row starts in sparse rows; export --to csr adds {more}"


def _synapses(network: nn.Module) -> int:
    return sum(weight.numel() for weight in prunable_weights(network).values())
