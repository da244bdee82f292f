"""Reads a dataset as the data stage would, says what it holds, and tries to split it. Needs no project."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.data.datasets import DATASETS, is_events, load, registered
from pipeline.data.events import losses
from pipeline.data.own import EVENTS_PREFIX, FORMS, IDX_PREFIX, own_path, own_prefix
from pipeline.data.raw import RawDataset, Samples
from pipeline.data.splits import split_dataset
from pipeline.io.params import PARAMS_FILE
from snnprune.core.errors import DataError
from snnprune.data import idx
from snnprune.data.events.frames import Binning
from snnprune.data.events.layout import has_part
from snnprune.data.events.params import FramesParams
from snnprune.data.events.ready_made import holds_frames

SHARE = 0.2  # suggested for a part that is split off
WHERE = "below the matrix: and experiments: that are there"
MATRIX = ("matrix:", "  mine: {methods: [cqp, magnitude], seeds: [0, 1]}")
TRAINING = (  # as `snnprune init` writes it
    "    train: {epochs: 10, batch_size: 64, lr: 0.002}",
    "    prune:",
    "      levels: [0.8, 0.9, 0.95]",
    "      criticality: {kind: sensitivity, batches: 10, batch_size: 128}",
    "      finetune: {epochs: 4, batch_size: 64, lr: 0.002}",
    "    methods:",
    "      cqp: {alpha: 0.25}",
    "      magnitude: {}",
)


def check(data: str, frames: FramesParams, picture: Path | None) -> Iterator[str]:
    """The lines to print, one after the other. data: a dataset's name, `idx:<folder>`, `events:<folder or file>`, or
    the path of an `.npz`. frames: how recordings become frames. picture: where to draw some samples. Raises DataError:
    the data cannot be used; UserError: the picture cannot be written."""
    dataset = dataset_name(data)
    params = frames if are_recordings(dataset) else None
    with_test = has_test(dataset)
    raw = load(dataset, {}, with_test, params)
    yield f"{raw.name} from {raw.source}{f' ({raw.about})' if raw.about else ''}"
    yield from describe(raw)
    yield f"memory       {_memory(raw)}"
    parts = split_dataset(raw, SHARE, None if with_test else SHARE, 0)
    yield from ["", f"for params.yaml, {WHERE}; then: snnprune run mine", "", *MATRIX]
    yield from ["experiments:", "  mine:", *suggest(dataset, raw, params, with_test), *TRAINING]
    if picture:
        from pipeline.check_data.picture import draw  # matplotlib takes a second

        draw(parts.train, raw.names, picture)
        yield f"\npicture: {picture}"


def describe(raw: RawDataset) -> Iterator[str]:
    """What is in a dataset, a line a subject."""
    parts = {"train": raw.samples, **({"test": raw.test} if raw.test else {})}
    shape, dtype = raw.samples.images.shape[1:], raw.samples.images.dtype
    what = "time steps x channels x height x width" if len(shape) == 4 else "pixels"
    yield f"sample       {' x '.join(map(str, shape))} ({what}), {dtype}"
    yield f"classes      {len(raw.names)}: {', '.join(raw.names)}"
    for name, part in parts.items():
        counts = np.bincount(part.labels, minlength=len(raw.names))
        each = ", ".join(f"{one} ({count:,})" for one, count in zip(raw.names, counts.tolist(), strict=True))
        yield f"{name:12} {len(part.labels):,} samples: {each}"
    for name, part in parts.items():
        yield f"{name:12} {_values(part)}"
    for name, binning in raw.binning.items():
        yield from (f"{name:12} {line}" for line in _recordings(binning))
    if raw.step_ms is not None:
        yield f"time step    {raw.step_ms:.4g} ms"


def suggest(dataset: str, raw: RawDataset, params: FramesParams | None, with_test: bool) -> Iterator[str]:
    """The blocks of params.yaml that name the dataset and fit it: data and model."""
    if (path := own_path(dataset)) and not PARAMS_FILE.is_file():
        dataset = f"{own_prefix(dataset)}{path.resolve()}"  # relative paths are the project's
    shape = raw.samples.images.shape[1:]
    yield "    data:"
    yield f"      dataset: {_scalar(dataset)}"
    if is_events(dataset):
        given = (params or FramesParams(timesteps=shape[0])).model_dump(exclude_defaults=True)
        if params and own_prefix(dataset) and not params.crop and params.downsample == 1:
            given |= {"size": list(shape[2:])}  # found in the files: an event outside is an error from now on
        yield f"      events: {{{', '.join(f'{key}: {value}' for key, value in given.items())}}}"
    yield f"      validation: {SHARE}"
    if not with_test:
        yield f"      test: {SHARE}"
    yield "      split_seed: 0"
    yield "    model:"
    inputs = int(np.prod(shape[1:] if len(shape) == 4 else shape))
    yield f"      layers: [{inputs}, 128, {len(raw.names)}]"
    if is_events(dataset):
        yield f"      timesteps: {shape[0]}"
        yield "      encoding: {name: frames}"


def _scalar(text: str) -> str:
    """As YAML has it: quoted where it would be read as something else."""
    try:
        is_plain = YAML(typ="safe").load(f"key: {text}") == {"key": text}
    except YAMLError:
        is_plain = False
    return text if is_plain else json.dumps(text, ensure_ascii=False)


def dataset_name(data: str) -> str:
    """The dataset as params.yaml names it."""
    if own_prefix(data):
        return data
    if Path(data).suffix.lower() == ".npz":
        return f"{EVENTS_PREFIX}{data}"
    if (name := registered(data)) is None:
        found = f"; for the folder of that name write {IDX_PREFIX}{data} or {EVENTS_PREFIX}{data}"
        allowed = f"{', '.join(FORMS.values())}, a file .npz, or a dataset's name (snnprune list)"
        raise DataError(f"{data}: no dataset; allowed are {allowed}{found if Path(data).exists() else ''}")
    return name


def are_recordings(dataset: str) -> bool:
    """Whether it becomes frames: neither images nor frames already."""
    path = own_path(dataset)
    return is_events(dataset) and not (path and holds_frames(path))


def has_test(dataset: str) -> bool:
    """Whether there is a test split."""
    path = own_path(dataset)
    if path is None:
        return DATASETS[dataset].official_test
    if own_prefix(dataset) == IDX_PREFIX:
        return any(idx.find(path, stem) for stem in idx.FILES["test"])
    return path.exists() and not holds_frames(path) and has_part(path, "test")


def _values(part: Samples) -> str:
    zeros = 1 - np.count_nonzero(part.images) / part.images.size
    return f"values {part.images.min():g} to {part.images.max():g}, {100 * zeros:.1f} % of them zero"


def _recordings(binning: Binning) -> Iterator[str]:
    lasts, events = (np.percentile(values, (0, 50, 100)) for values in (binning.durations_ms, binning.events))
    yield f"a recording lasts {lasts[0]:,.4g} to {lasts[2]:,.4g} ms, median {lasts[1]:,.4g} ms"
    yield f"a recording has {events[0]:,.0f} to {events[2]:,.0f} events, median {events[1]:,.0f}"
    yield losses(binning)


def _memory(raw: RawDataset) -> str:
    """Of the samples while stages train and measure."""
    parts = [part.images for part in (raw.samples, raw.test) if part]
    values = sum(part.size for part in parts)
    is_frames = parts[0].ndim == 5
    size = values * (1 if is_frames else 4)
    return f"{size / 1e6:,.4g} MB in every stage ({'a byte' if is_frames else 'four bytes'} a value)"
