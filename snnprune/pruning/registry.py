"""Loads pruning methods by name. `snnprune/methods/` says what a method's file holds."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from snnprune.core.errors import UserError
from snnprune.core.own_code import imports_of, lying_in, run_file
from snnprune.core.schema import Block
from snnprune.pruning.method_files import OWN, file_of, method_files
from snnprune.pruning.problem import Method, at_once

WATCHED = tuple(f"snnprune.{name}." for name in ("core", "pruning", "sparse"))  # what every prune stage depends on


def available() -> list[str]:
    """Names of all methods, sorted, a user's own among them; imports none."""
    return list(method_files())


def load_method(name: str) -> Method:
    """Import one method, and only that one (a stage depends on no other method's code). Raises UserError: as `file_of`,
    or a user's own cannot be imported or lacks something."""
    file = file_of(name)
    qualified = f"snnprune.methods.{name}"
    module = _imported(qualified, file) if file.parent == OWN else importlib.import_module(qualified)
    exact, rounds = getattr(module, "EXACT", True), getattr(module, "rounds", at_once)
    return Method(name, module.Params, module.prune, exact, rounds)


def _imported(name: str, file: Path) -> ModuleType:
    """A user's own method, by a name among the others: resume points know by it whose code they are of."""
    names = imports_of(file)
    unseen = [one for one in names if f"{one}.".startswith((".", "snnprune.")) and not f"{one}.".startswith(WATCHED)]
    if others := [*lying_in(Path(), names), *unseen]:
        raise UserError(
            f"{file}: imports {', '.join(others)}, in which an experiment would see no change; put the method into one "
            f"file; of snnprune it may import {', '.join(watched.rstrip('.') for watched in WATCHED)}"
        )
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look a class's module up there
    try:
        run_file(file, module)
    except (Exception, SystemExit) as error:  # of the user's own code, whatever it is
        raise UserError(f"{file}: {type(error).__name__}: {error}") from error
    params, prune = (getattr(module, part, None) for part in ("Params", "prune"))
    if not (isinstance(params, type) and issubclass(params, Block) and callable(prune)):
        raise UserError(
            f"{file}: needs a class Params, a snnprune.core.schema.Block, and a function prune(problem, params)"
        )
    return module
