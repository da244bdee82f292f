"""Schemas of the blocks `temporal` and `early_exit`."""

from typing import Annotated

import pydantic

from snnprune.core.schema import Block, rising

Delta = Annotated[float, pydantic.Field(ge=0, le=1)]
Gap = Annotated[float, pydantic.Field(ge=0, le=1)]


class TemporalParams(Block):
    """When fewer time steps are enough: T' is the first step with KL_t <= epsilon and little accuracy lost.

    epsilon: nats. delta: validation accuracy that may be lost, as a fraction (0.002 is 0.2 points).
    """

    epsilon: Annotated[float, pydantic.Field(ge=0)] = 0.02
    delta: Delta = 0.002


class EarlyExitParams(Block):
    """At which gaps between the two likeliest classes a sample may stop.

    thresholds: gaps of the class distribution, 0..1, rising; 1, which means all T steps, is always added. delta:
    validation accuracy that the chosen one may lose.
    """

    thresholds: Annotated[list[Gap], pydantic.Field(min_length=1), pydantic.AfterValidator(rising)]
    delta: Delta = 0.002
