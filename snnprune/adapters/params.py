"""Schema of how a network of the user's own is run; what the network itself says is None."""

from typing import Annotated, Literal

import pydantic

from snnprune.core.params import Direct, Encoding, Positive
from snnprune.core.schema import Block

Readout = Literal["count", "mean-membrane", "last-membrane"]
Reset = Literal["subtract", "zero", "none"]


class Normalize(Block):
    """Images become (image - mean) / std, as torchvision's `Normalize` does, after they were scaled to 0..1."""

    mean: float
    std: Positive


class RunningParams(Block):
    """timesteps: T; None: the network's forward runs its own. encoding: what the caller does to a sample before each
    step; of events it is `frames`. readout: the class with the most spikes, or with the highest
    membrane potential of the last neurons, in the mean over the steps or at the last one. reset, reset_delay: of all
    neurons; None: as the network has it."""

    timesteps: Annotated[int, pydantic.Field(ge=1, le=10_000)] | None = None
    encoding: Encoding = Direct(name="direct")
    readout: Readout = "count"
    normalize: Normalize | None = None
    reset: Reset | None = None
    reset_delay: bool | None = None
