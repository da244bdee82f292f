"""Loads pruning methods by name. `snnprune/methods/` says what a method's file holds."""

import importlib
import pkgutil

from snnprune import methods
from snnprune.core.errors import UserError
from snnprune.pruning.problem import Method, at_once


def available() -> list[str]:
    """Names of all methods, sorted; imports none of them."""
    return sorted(module.name for module in pkgutil.iter_modules(methods.__path__))


def load_method(name: str) -> Method:
    """Import one method, and only that one (a stage depends on no other method's code). Raises UserError: there is no
    such method; the message lists those there are."""
    if name not in available():
        raise UserError(f"unknown pruning method {name!r}; available are: {', '.join(available())}")
    module = importlib.import_module(f"snnprune.methods.{name}")
    exact, rounds = getattr(module, "EXACT", True), getattr(module, "rounds", at_once)
    return Method(name, module.Params, module.prune, exact, rounds)
