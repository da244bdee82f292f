"""Loads events as frames: named sets, a user's recordings, or frames that were made elsewhere."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from pipeline.data.event_sets import PARTS, EventSet, locate
from pipeline.data.own import EVENTS_PREFIX
from pipeline.data.raw import RawDataset, Samples
from snnprune.core.errors import DataError
from snnprune.data.events.frames import Binning, Frames, to_frames
from snnprune.data.events.labels import join_names, relabel
from snnprune.data.events.layout import has_part, open_source
from snnprune.data.events.params import FramesParams
from snnprune.data.events.ready_made import holds_frames, load_frames_file
from snnprune.data.events.source import Recording, Source, sensor_size


def load_event_set(events: EventSet, params: FramesParams) -> RawDataset:
    """A named set with its own test split. Raises DataError: see `locate`; a split has another number of recordings; a
    recording is damaged or outside the sensor."""
    where = locate(events)
    parts = [open_source(path, name) for name, path in where.items()]
    for found, (name, part) in zip(parts, events.parts.items(), strict=True):
        if len(found) != part.count:
            raise DataError(
                f"{where[name]}: {len(found)} recordings, expected {part.count}, the {name} split of {events.name}; "
                f"for a part of it, or other recordings, use dataset {EVENTS_PREFIX}<folder>"
            )
    if events.names:
        parts = [replace(part, names=_named(part, events)) for part in parts]
    params = params.model_copy(update={"size": list(events.size)})
    raw = _raw(events.name, *parts, params=params, source=str(where["train"].parent))
    return replace(raw, about=events.about)


def load_events(path: Path, params: FramesParams | None, with_test: bool) -> RawDataset:
    """A user's own recordings or frames; `params` may be None for frames, of any number of steps then. Raises
    DataError: nothing is there, or nothing that is allowed; there is a test split although `with_test` is false (then
    the test samples are to be split off the train ones), or none although it is true; a recording is damaged or outside
    the sensor; frames of another number of steps."""
    name = EVENTS_PREFIX + path.resolve().name  # not its path: result files hold nothing that differs between machines
    if not path.exists():
        raise DataError(f"{path}: no such folder or file; correct the dataset {EVENTS_PREFIX}{path}")
    if holds_frames(path):
        if with_test:
            raise DataError(f"{path}: has no test split; give the parameter test, a share (0.2) or a count (300)")
        return _joined(name, [_ready_made(path, params)], str(path))
    found = has_part(path, "test")
    if found and not with_test:
        raise DataError(f"{path}: has its own test split; remove the parameter test")
    if with_test and not found:
        raise DataError(f"{path}: has no test split; give the parameter test, a share (0.2) or a count (300)")
    parts = [open_source(path, part) for part in (("train", "test") if with_test else ("train",))]
    return _raw(name, *parts, params=params, source=str(path))


def _named(part: Source, events: EventSet) -> tuple[str, ...]:
    """The names of classes that are numbers in the files: 0, 1, 2, ... of a named set."""
    return tuple(events.names[int(number)] for number in part.names)


def _raw(name: str, train: Source, test: Source | None = None, *, params: FramesParams, source: str) -> RawDataset:
    parts = [_with_bar(part, f"{name}, {title}") for part, title in zip((train, test), PARTS, strict=True) if part]
    size = params.size or sensor_size(*parts)
    params = params.model_copy(update={"size": list(size)})
    return _joined(name, [to_frames(part, params) for part in parts], source)


def _with_bar(part: Source, title: str) -> Source:
    """The same source, with a bar on a terminal while it is read."""

    def recordings() -> Iterator[Recording]:
        yield from tqdm(part.recordings(), title, total=len(part), unit=" recordings", leave=False, disable=None)

    return replace(part, recordings=recordings)


def _joined(name: str, parts: Sequence[Frames], source: str) -> RawDataset:
    """The splits with one label space."""
    names = join_names(*(part.names for part in parts))
    samples = [Samples(part.frames, relabel(part.labels, part.names, names)) for part in parts]
    test = samples[1] if len(samples) > 1 else None
    binning = {title: part.binning for title, part in zip(PARTS, parts, strict=False) if part.binning}
    return RawDataset(name, samples[0], test, 1, names, source, step_ms=parts[0].step_ms, binning=binning)


def _ready_made(path: Path, params: FramesParams | None) -> Frames:
    found = load_frames_file(path)
    if params is None:
        return found
    if (steps := found.frames.shape[1]) != params.timesteps:
        raise DataError(f"{path}: frames of {steps} steps; set events.timesteps to {steps} (found {params.timesteps})")
    plain = FramesParams(timesteps=steps)
    if other := [key for key in FramesParams.model_fields if getattr(params, key) != getattr(plain, key)]:
        raise DataError(f"{path}: frames that are ready-made take events.timesteps alone; remove {', '.join(other)}")
    return found


def how_made(raw: RawDataset, params: FramesParams) -> str:
    """In words: what a frame is, and where the test samples come from."""
    frames = f"{params.timesteps} frames, made elsewhere"
    if raw.binning:
        cut = " of equal numbers of events," if params.by == "count" else ""
        mean = " on average" if params.window_ms is None else ""
        each = "counts of events" if params.values == "counts" else "bits, 1 where there was an event"
        frames = f"{params.timesteps} frames{cut} of {raw.step_ms:.4g} ms{mean}, {each}"
    return f"{frames}; test: {'a split of its own' if raw.test else 'split off the same recordings'}"


def losses(binning: Binning) -> str:
    """What of a split's events is not in its frames, in words."""
    lost = {
        "events after the window": binning.late,
        "events outside the crop": binning.outside,
        "isolated events": binning.isolated,
        "values cut off at 255": binning.saturated,
        "recordings without an event left": binning.blank,
    }
    return ", ".join(f"{count:,} {what}" for what, count in lost.items() if count) or "nothing lost"
