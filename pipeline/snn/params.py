"""Schema of the `model` block: layers, neuron, encoding, time steps."""

from typing import Annotated, Literal

import pydantic

from pipeline.params import Block

PositiveFloat = Annotated[float, pydantic.Field(gt=0)]
Share = Annotated[float, pydantic.Field(ge=0, lt=1)]


class Surrogate(Block):
    """Surrogate derivative of the spike: `atan` (slope is snnTorch's alpha) or `fast_sigmoid` (slope is k)."""

    name: Literal["atan", "fast_sigmoid"] = "atan"
    slope: PositiveFloat = 2.0


class Direct(Block):
    """The image as a constant input current."""

    name: Literal["direct"]


class NoisyDirect(Block):
    """The image plus Gaussian noise of standard deviation `sigma`, drawn anew at each step."""

    name: Literal["noisy_direct"]
    sigma: PositiveFloat = 0.05


class Rate(Block):
    """Bernoulli spikes with the pixel (times `gain`, clipped to 1) as probability: snntorch.spikegen.rate."""

    name: Literal["rate"]
    gain: PositiveFloat = 1.0


class Latency(Block):
    """One spike per pixel, earlier for brighter ones: snntorch.spikegen.latency.

    `clip` drops the spikes of pixels below `threshold`; `normalize` spreads spike times over all steps.
    """

    name: Literal["latency"]
    tau: PositiveFloat = 1.0
    threshold: Annotated[float, pydantic.Field(gt=0, lt=1)] = 0.01
    linear: bool = True
    normalize: bool = True
    clip: bool = True


Encoding = Annotated[Direct | NoisyDirect | Rate | Latency, pydantic.Field(discriminator="name")]


class ModelParams(Block):
    """A feed-forward spiking network: `layers` are neuron counts from input to output."""

    layers: Annotated[list[Annotated[int, pydantic.Field(ge=1)]], pydantic.Field(min_length=2)]
    beta: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.9
    threshold: PositiveFloat = 1.0
    reset: Literal["subtract", "zero"] = "subtract"
    surrogate: Surrogate = Surrogate()
    timesteps: Annotated[int, pydantic.Field(ge=1)] = 10
    encoding: Encoding = Direct(name="direct")
    dropout: Share = 0.0

    @pydantic.model_validator(mode="after")
    def _latency_fits(self) -> "ModelParams":
        encoding = self.encoding
        if isinstance(encoding, Latency) and not encoding.normalize and encoding.tau > self.timesteps - 1:
            raise ValueError(
                f"encoding.tau must be at most timesteps - 1 = {self.timesteps - 1} unless normalize is true, "
                f"found {encoding.tau}"
            )
        return self
