"""Schemas of how a network of the user's own is run, on the command line or as the block `model` of an experiment.
What the network itself says is None."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

from snnprune.core.params import Direct, Encoding, ModelParams, Positive
from snnprune.core.schema import Block

Readout = Literal["count", "mean-membrane", "last-membrane"]
Reset = Literal["subtract", "zero", "none"]
NIR = ".nir"
SEED = "{seed}"


class Normalize(Block):
    """Images become (image - mean) / std, as torchvision's `Normalize` does, after they were scaled to 0..1."""

    mean: float
    std: Positive

    def of(self, images: Any) -> Any:
        """The images [N, ...], a tensor or array, normalised."""
        return (images - self.mean) / self.std


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


class OwnModel(RunningParams):
    """A network of the user's own as the block `model`.

    module: `<file>.py:<function>`, whose function takes no arguments and returns the network, or a NIR file; relative
        to the project's root folder, or absolute. checkpoint: its trained state, a seed's own where the name has
        `{seed}` in it; None: it is trained here.
    """

    module: str
    checkpoint: str | None = None

    @pydantic.field_validator("module")
    @classmethod
    def _has_form(cls, module: str) -> str:
        file, colon, name = module.rpartition(":")
        if not module.endswith(NIR) and not (colon and file.endswith(".py") and name.isidentifier()):
            raise ValueError("allowed are <file>.py:<function>, such as my_nets.py:build, and a NIR file <file>.nir")
        return module

    @pydantic.model_validator(mode="after")
    def _fits(self) -> "OwnModel":
        if self.is_nir and self.checkpoint is not None:
            raise ValueError(f"checkpoint: {self.module} holds its weights itself; remove this key")
        return self

    @property
    def is_nir(self) -> bool:
        """Whether it is a NIR file."""
        return self.module.endswith(NIR)

    @property
    def is_trained(self) -> bool:
        """Whether it comes with its weights."""
        return self.is_nir or self.checkpoint is not None

    @property
    def is_shared(self) -> bool:
        """Whether it comes with weights that are all seeds' dense net."""
        return self.is_trained and SEED not in (self.checkpoint or "")

    def of(self, seed: int) -> "OwnModel":
        """The same with the checkpoint of one seed."""
        return self.model_copy(update={"checkpoint": self.checkpoint and self.checkpoint.replace(SEED, str(seed))})

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it is made of (of one seed: see `of`)."""
        module = self.module if self.is_nir else self.module.rpartition(":")[0]
        return tuple(map(Path, filter(None, (module, self.checkpoint))))


class Model(Block):
    """The block `model`: a network from its layers (`ModelParams`), or, where it names a module, the user's own
    (`OwnModel`)."""

    @classmethod
    def schema_of(cls, value: Any) -> type[Block]:
        return OwnModel if isinstance(value, Mapping) and "module" in value else ModelParams
