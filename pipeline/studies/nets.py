"""The networks that time and energy are measured on: the dense one, and every pruned one."""

from dataclasses import dataclass

from pipeline.analysis.comparison import DENSE
from pipeline.snn.network import SpikingNetwork

__all__ = ["DENSE", "Net", "label"]


@dataclass(frozen=True)
class Net:
    """One trained network; the dense one has the method `dense` and level 0."""

    method: str
    level: float
    network: SpikingNetwork


def label(method: str, level: float) -> str:
    """What people call it: `dense`, `cqp at 0.9`."""
    return method if method == DENSE else f"{method} at {level:g}"
