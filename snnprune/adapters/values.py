"""What a tensor of a running network is made of: the sum of which nodes' values, at which time step."""

from dataclasses import dataclass, replace
from typing import Literal

POTENTIAL = ":potential"  # after a neuron's name: its membrane potential, not its spikes
STATE = ":state"  # another state of its own: the current of its synapse

When = int | Literal["constant", "sequence", "mean", "last"] | tuple[Literal["total"], int]


@dataclass(frozen=True)
class Value:
    """names: the nodes of which it is the sum. when: the step; `constant`: it is the same at every step; `sequence`:
    all steps [T, B, ...]; `mean`: their mean; ("total", t): the sum of the steps up to t; `last`: the last step with an
    axis of time, [1, B, ...]. problem: why it is none of that; empty where it is."""

    names: tuple[str, ...]
    when: When
    problem: str = ""

    def failed(self, problem: str) -> "Value":
        """The same with a problem, unless there was one before."""
        return self if self.problem else replace(self, problem=problem)

    @property
    def is_over_time(self) -> bool:
        """Whether it is what the network makes of all its steps: their sum, mean, or the last one."""
        return self.when in ("mean", "last") or isinstance(self.when, tuple)

    def __str__(self) -> str:
        return " + ".join(name.replace(STATE, "'s state").replace(POTENTIAL, "'s potential") for name in self.names)


def added(first: Value, second: Value) -> Value:
    """The sum of two values: of one step, or of a total and its next step."""
    if first.problem or second.problem:
        return first if first.problem else second
    step, other = first.when, second.when
    names = first.names + second.names
    if step == other or (other == "constant" and not isinstance(step, tuple)):
        return Value(names, step)
    if step == "constant" and not isinstance(other, tuple):
        return Value(names, other)
    for total, now, of in ((step, other, second), (other, step, first)):
        before = total[1] if isinstance(total, tuple) else total
        if first.names == second.names and isinstance(now, int) and before == now - 1:
            return Value(of.names, ("total", now))
    return Value(names, step, f"{first} and {second} of different time steps are added up")
