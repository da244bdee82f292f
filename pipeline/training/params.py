"""Schema of one training run: the `train` block, and `prune.finetune`."""

from typing import Annotated

import pydantic

from pipeline.params import Block


class Augment(Block):
    """Random shift (pixels, each axis) and rotation (degrees, either way) of training images; 0 is off."""

    shift: Annotated[int, pydantic.Field(ge=0, le=14)] = 0
    rotation: Annotated[float, pydantic.Field(ge=0, le=180)] = 0.0


class FitParams(Block):
    """Adam with L2 weight decay; the learning rate falls along a half cosine from `lr` to 0."""

    epochs: Annotated[int, pydantic.Field(ge=1)]
    batch_size: Annotated[int, pydantic.Field(ge=1)]
    lr: Annotated[float, pydantic.Field(gt=0, le=1)]
    weight_decay: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.0
    augment: Augment = Augment()
