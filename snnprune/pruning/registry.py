"""Loads pruning methods by name. `snnprune/methods/` says what a method's file holds."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from snnprune.core.errors import UserError
from snnprune.core.own_code import imported_from
from snnprune.pruning.method_files import OWN, method_files
from snnprune.pruning.problem import Method, at_once


def available() -> list[str]:
    """Names of all methods, sorted, a user's own among them; imports none. Raises UserError: as `method_files`."""
    return list(method_files())


def load_method(name: str) -> Method:
    """Import one method, and only that one (a stage depends on no other method's code). Raises UserError: there is no
    such method (the message lists those there are), or a user's own cannot be imported or lacks something."""
    files = method_files()
    if name not in files:
        raise UserError(f"unknown pruning method {name!r}; available are: {', '.join(files)}")
    own = files[name].parent == OWN
    qualified = f"snnprune.methods.{name}"
    module = _imported(qualified, files[name]) if own else importlib.import_module(qualified)
    exact, rounds = getattr(module, "EXACT", True), getattr(module, "rounds", at_once)
    return Method(name, module.Params, module.prune, exact, rounds)


def _imported(name: str, file: Path) -> ModuleType:
    """A user's own method, by a name among the others: resume points know by it whose code they are of."""
    if others := imported_from(Path(), file):
        raise UserError(
            f"{file}: imports {', '.join(others)} of this folder, in which an experiment would see no change; put the "
            "method into one file"
        )
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look a class's module up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # of the user's own code, whatever it is
        raise UserError(f"{file}: {type(error).__name__}: {error}") from error
    if missing := [part for part in ("Params", "prune") if not hasattr(module, part)]:
        raise UserError(f"{file}: has no {' and no '.join(missing)}; a method's file has both Params and prune")
    return module
