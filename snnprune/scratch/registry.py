"""Loads the ways to train from scratch by name. `snnprune/scratch/approaches/` says what a file of one holds."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from snnprune.core.errors import UserError
from snnprune.pruning.mask import Mask
from snnprune.pruning.problem import Problem
from snnprune.scratch import approaches
from snnprune.scratch.rewiring import Rewiring


@dataclass(frozen=True)
class Approach:
    """One way to train from scratch: its first mask, how that moves (None: not at all), and whether it is of the
    trained dense net, with weights of an early epoch."""

    name: str
    mask: Callable[[Problem], Mask]
    rewiring: Rewiring | None
    rewinds: bool


def available() -> list[str]:
    """Names of all approaches, sorted; imports none of them."""
    return sorted(module.name for module in pkgutil.iter_modules(approaches.__path__))


def load_approach(name: str) -> Approach:
    """Import one approach. Raises UserError: there is no such one; the message lists those there are."""
    if name not in available():
        raise UserError(f"unknown way to train from scratch {name!r}; available are: {', '.join(available())}")
    module = importlib.import_module(f"{approaches.__name__}.{name}")
    return Approach(name, module.mask, getattr(module, "REWIRING", None), getattr(module, "REWINDS", False))
