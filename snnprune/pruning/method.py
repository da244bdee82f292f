"""What a pruning method is: its parameters, and a function from a problem to a mask."""

from collections.abc import Callable
from dataclasses import dataclass

from snnprune.core.schema import Block
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem


@dataclass(frozen=True)
class Method:
    """A pruning method: name, schema of its parameters, the function from a problem to a mask, and whether it is exact
    (keeps as many synapses as asked, checked in every run)."""

    name: str
    params: type[Block]
    prune: Callable[[Problem, Block], Mask]
    exact: bool
