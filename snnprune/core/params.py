"""Schema of the `model` block: layers, neuron, encoding, time steps."""

from typing import Annotated, Any, Literal

import pydantic

from snnprune.core.architecture import Architecture, from_counts, parse
from snnprune.core.schema import Block

NEURON_COUNTS = pydantic.TypeAdapter(
    Annotated[list[Annotated[int, pydantic.Field(ge=1)]], pydantic.Field(min_length=2)],
    config=pydantic.ConfigDict(strict=True),
)
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
    """One spike per pixel, earlier for brighter ones: snntorch.spikegen.latency. `clip` drops the spikes of pixels
    below `threshold`; `normalize` spreads spike times over all steps."""

    name: Literal["latency"]
    tau: PositiveFloat = 1.0
    threshold: Annotated[float, pydantic.Field(gt=0, lt=1)] = 0.01
    linear: bool = True
    normalize: bool = True
    clip: bool = True


Encoding = Annotated[Direct | NoisyDirect | Rate | Latency, pydantic.Field(discriminator="name")]


class ModelParams(Block):
    """A feed-forward spiking network.

    layers: neuron counts from input to output ([784, 256, 10]), or a notation such as
        28x28-12C5-MP2-64C5-MP2-10 (`snnprune/core/architecture.py`).
    """

    layers: list[int] | str
    beta: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.9
    threshold: PositiveFloat = 1.0
    reset: Literal["subtract", "zero"] = "subtract"
    surrogate: Surrogate = Surrogate()
    timesteps: Annotated[int, pydantic.Field(ge=1)] = 10
    encoding: Encoding = Direct(name="direct")
    dropout: Share = 0.0

    @property
    def architecture(self) -> Architecture:
        """What `layers` says."""
        return parse(self.layers) if isinstance(self.layers, str) else from_counts(self.layers)

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
        encoding = self.encoding
        if isinstance(encoding, Latency) and not encoding.normalize and encoding.tau > self.timesteps - 1:
            raise ValueError(
                f"encoding.tau must be at most timesteps - 1 = {self.timesteps - 1} unless normalize is true, "
                f"found {encoding.tau}"
            )
        return self
