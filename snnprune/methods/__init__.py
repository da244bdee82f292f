"""The registry of pruning methods: every module in this folder is one method, named after its file.

A method module has a docstring that says what it does, `Params` (a schema of its own parameters) and
`prune(problem, params) -> Mask`. One that may keep another number of synapses than asked says `EXACT = False`. To run
it, list it in params.yaml: in `matrix.<experiment>.methods` and in `methods` of the experiment.
"""

import importlib
import pkgutil

from snnprune.core.errors import UserError
from snnprune.pruning.problem import Method


def available() -> list[str]:
    """Names of all methods, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load_method(name: str) -> Method:
    """Import one method, and only that one (a stage depends on no other method's code). Raises UserError: there is no
    such method; the message lists those there are."""
    if name not in available():
        raise UserError(f"unknown pruning method {name!r}; available are: {', '.join(available())}")
    module = importlib.import_module(f"{__name__}.{name}")
    return Method(name, module.Params, module.prune, getattr(module, "EXACT", True))
