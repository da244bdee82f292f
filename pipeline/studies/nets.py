"""The networks that time and energy are measured on: the dense one, and every pruned one."""

from dataclasses import dataclass

from snnprune.snn.network import SpikingNetwork


@dataclass(frozen=True)
class Net:
    """One trained network; the dense one has the method `dense` and level 0."""

    method: str
    level: float
    network: SpikingNetwork
