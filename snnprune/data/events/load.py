"""Events as a split for the library: the public entry."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from snnprune.core.errors import DataError
from snnprune.core.schema import validate
from snnprune.data.events.frames import to_frames
from snnprune.data.events.labels import join_names, relabel
from snnprune.data.events.layout import PARTS, Part, has_part, open_source
from snnprune.data.events.params import FramesParams
from snnprune.data.events.ready_made import holds_frames, load_frames_file
from snnprune.data.events.source import sensor_size

if TYPE_CHECKING:
    from snnprune.core.dataset import Split


def load_events(path: str | Path, part: Part = "train", *, timesteps: int, **options: Any) -> "Split":
    """Recordings of events as frames uint8 [N, T, C, H, W] and labels [N], for networks with `encoding={"name":
    "frames"}` and as many timesteps.

    path: a folder or archive with train and test recordings (`snnprune/data/events/layout.py`), a packed file, or one
        `.npz` with `frames` and `labels`, which is all `train`.
    timesteps: T. options: by, window_ms, size, crop, downsample, denoise_ms, polarity, values; see `FramesParams`.
        Without `size` the sensor is as large as the events of all parts need; labels count the classes of all parts.
    Raises DataError: no such part, or a file is damaged or unusable; UserError: an option is not allowed.
    """
    import torch  # files are found and read without it

    from snnprune.core.dataset import Split

    path = Path(path)
    if part not in PARTS:
        raise DataError(f"part: allowed are {', '.join(PARTS)}; found {part!r}")
    params = validate(FramesParams, {"timesteps": timesteps, **options}, "load_events")
    if holds_frames(path):
        ready = load_frames_file(path)
        if part != "train" or options:
            raise DataError(f"{path}: frames that are ready are all train, without options; found {part}, {options}")
        if ready.frames.shape[1] != timesteps:
            raise DataError(f"{path}: frames of {ready.frames.shape[1]} time steps; timesteps says {timesteps}")
        return Split(torch.from_numpy(ready.frames), torch.from_numpy(ready.labels))
    source = open_source(path, part)
    sources = [source, *(open_source(path, other) for other in PARTS if other != part and has_part(path, other))]
    if params.size is None:
        params = params.model_copy(update={"size": list(sensor_size(*sources))})
    frames = to_frames(source, params)
    labels = relabel(frames.labels, frames.names, join_names(*(each.names for each in sources)))
    return Split(torch.from_numpy(frames.frames), torch.from_numpy(labels))
