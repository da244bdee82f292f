"""Schema of one training run: the `train` block, and `prune.finetune`."""

from typing import Annotated, Literal

import pydantic

from snnprune.core.schema import Block, Count


class Elastic(Block):
    """Elastic distortion (Simard et al., ICDAR 2003): every pixel is displaced by a field drawn uniformly from -1..1,
    smoothed by a Gaussian of standard deviation `sigma` (pixels) and multiplied by `alpha` (pixels)."""

    alpha: Annotated[float, pydantic.Field(gt=0, le=1000)]
    sigma: Annotated[float, pydantic.Field(ge=0.5, le=10)]


class Augment(Block):
    """Random shift (pixels, each axis), rotation (degrees, either way) and elastic distortion of training images; 0 or
    null is off. A shift must be smaller than the image. Frames of events are neither rotated nor distorted, and all
    frames of a recording are shifted alike; jitter moves a recording earlier or later by up to so many steps, and empty
    frames come in."""

    shift: Annotated[int, pydantic.Field(ge=0, le=14)] = 0
    rotation: Annotated[float, pydantic.Field(ge=0, le=180)] = 0.0
    elastic: Elastic | None = None
    jitter: Annotated[int, pydantic.Field(ge=0, le=1000)] = 0

    @property
    def interpolates(self) -> bool:
        """Whether images are turned or distorted, so that pixels land between pixels."""
        return self.rotation > 0 or self.elastic is not None


class FitParams(Block):
    """Optimiser, learning rate and length of a training run.

    batch_size: samples a step; one larger than the training split is the whole split, one step an epoch.
    optimizer: `adam`, where weight decay is an L2 penalty, or `adamw`, where it is decoupled (arXiv 1711.05101).
    lr: the highest learning rate. schedule: `cosine` falls from it to 0 along a half cosine, `one_cycle` (arXiv
        1708.07120, as torch's OneCycleLR with its defaults) rises to it over the first 30 % of all steps, `constant`
        stays at it. `one_cycle` needs two steps or more.
    """

    epochs: Count
    batch_size: Count = 64
    lr: Annotated[float, pydantic.Field(gt=0, le=1)] = 0.002
    optimizer: Literal["adam", "adamw"] = "adam"
    schedule: Literal["cosine", "one_cycle", "constant"] = "cosine"
    weight_decay: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.0
    augment: Augment = Augment()


class Distillation(Block):
    """Knowledge distillation from the dense net (Hinton et al., arXiv 1503.02531). The loss is (1 - weight) *
    cross-entropy + weight * temperature^2 * KL(dense || pruned), where both distributions are the softmax of the spike
    counts divided by `temperature`."""

    temperature: Annotated[float, pydantic.Field(ge=0.01, le=100)] = 2.0
    weight: Annotated[float, pydantic.Field(gt=0, le=1)] = 0.5


class FinetuneParams(FitParams):
    """Fine-tuning under a mask: the same, and optionally distillation from the dense net."""

    distillation: Distillation | None = None
