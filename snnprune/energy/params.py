"""Schema of the block `energy`."""

from typing import Annotated

import pydantic

from snnprune.core.schema import Block, rising

Steps = Annotated[int, pydantic.Field(ge=1)]


class EnergyParams(Block):
    """What is counted, beside every net's T and T': the grid of sparsity by time steps.

    steps: time steps to run, each at most T. max_loss: validation accuracy, as a fraction, that the cheapest setting
    may lose against the dense net at T.
    """

    steps: Annotated[list[Steps], pydantic.Field(min_length=1), pydantic.AfterValidator(rising)]
    max_loss: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.005
