"""Schema of the `model` block: layers, neuron, encoding, time steps."""

import math
from typing import Annotated, Any, Literal

import pydantic

from snnprune.core.architecture import Architecture, from_counts, parse
from snnprune.core.schema import Block

NEURON_COUNTS = pydantic.TypeAdapter(
    Annotated[list[Annotated[int, pydantic.Field(ge=1, le=999_999)]], pydantic.Field(min_length=2)],
    config=pydantic.ConfigDict(strict=True),
)
Positive = Annotated[float, pydantic.Field(gt=0, le=1000)]  # far more, and float32 overflows
EPSILON, ROUNDING = 1e-7, 0.6  # spikegen's least distance from the threshold, and what float32 makes of its logarithm
Share = Annotated[float, pydantic.Field(ge=0, lt=1)]


class Surrogate(Block):
    """Surrogate derivative of the spike: `atan` (slope is snnTorch's alpha) or `fast_sigmoid` (slope is k)."""

    name: Literal["atan", "fast_sigmoid"] = "atan"
    slope: Positive = 2.0


class Direct(Block):
    """The image as a constant input current."""

    name: Literal["direct"]


class NoisyDirect(Block):
    """The image plus Gaussian noise of standard deviation `sigma`, drawn anew at each step."""

    name: Literal["noisy_direct"]
    sigma: Positive = 0.05


class Rate(Block):
    """Bernoulli spikes with the pixel (times `gain`, clipped to 1) as probability: snntorch.spikegen.rate."""

    name: Literal["rate"]
    gain: Positive = 1.0


class Latency(Block):
    """One spike per pixel, earlier for brighter ones: snntorch.spikegen.latency. `clip` drops the spikes of pixels
    below `threshold`; `normalize` spreads spike times over all steps. Without it the latest one, of such pixels, must
    lie within the T steps: that is tau, or without `linear` tau * (0.6 + ln(threshold / 1e-7)), 12 tau at 0.01."""

    name: Literal["latency"]
    tau: Positive = 1.0
    threshold: Annotated[float, pydantic.Field(ge=1e-4, le=0.99)] = 0.01
    linear: bool = True
    normalize: bool = True
    clip: bool = True


class Frames(Block):
    """Frames of events, which have a time axis already: each is the input of one step, as many as `timesteps`."""

    name: Literal["frames"]


Encoding = Annotated[Direct | NoisyDirect | Rate | Latency | Frames, pydantic.Field(discriminator="name")]


class ModelParams(Block):
    """A feed-forward spiking network.

    layers: neuron counts from input to output ([784, 256, 10]), or a notation such as
        28x28-12C5-MP2-64C5-MP2-10 (`snnprune/core/architecture.py`).
    """

    layers: list[int] | str
    beta: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.9
    threshold: Positive = 1.0
    reset: Literal["subtract", "zero"] = "subtract"
    surrogate: Surrogate = Surrogate()
    timesteps: Annotated[int, pydantic.Field(ge=1, le=10_000)] = 10
    encoding: Encoding = Direct(name="direct")
    dropout: Share = 0.0

    @property
    def architecture(self) -> Architecture:
        """What `layers` says."""
        return parse(self.layers) if isinstance(self.layers, str) else from_counts(self.layers)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Of what it takes: an image [N] or [C, H, W], or frames [T, C, H, W]."""
        shape = self.architecture.input_shape
        if not isinstance(self.encoding, Frames):
            return shape
        return (self.timesteps, *(1,) * (3 - len(shape)), *shape)

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Whether samples of this shape, images [C, H, W] or frames [T, C, H, W], fit the network."""
        if not isinstance(self.encoding, Frames):
            return self.architecture.takes(shape)
        return len(shape) == 4 and shape[0] == self.timesteps and self.architecture.takes(shape[1:])

    @pydantic.field_validator("layers", mode="plain")  # a union would put its members' names into the errors' keys
    @classmethod
    def _layers_fit(cls, layers: Any) -> list[int] | str:
        if isinstance(layers, list):
            return NEURON_COUNTS.validate_python(layers)
        if not isinstance(layers, str):
            raise ValueError("allowed are neuron counts ([784, 256, 10]) or a notation (28x28-12C5-MP2-64C5-MP2-10)")
        parse(layers)
        return layers

    @pydantic.model_validator(mode="after")
    def _latency_fits(self) -> "ModelParams":
        encoding, last = self.encoding, self.timesteps - 1
        if not isinstance(encoding, Latency):
            return self
        if last == 0:
            raise ValueError("encoding latency needs timesteps of at least 2, found 1")
        latest = 1.0 if encoding.linear else math.log((encoding.threshold + EPSILON) / EPSILON) + ROUNDING
        if not encoding.normalize and encoding.tau * latest > last:
            raise ValueError(
                f"encoding.tau: found {encoding.tau}; allowed with timesteps {self.timesteps}, threshold "
                f"{encoding.threshold} and linear {str(encoding.linear).lower()} is at most "
                f"{math.floor(last / latest * 1000) / 1000:g}, unless normalize is true"
            )
        return self
