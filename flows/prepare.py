"""`python -m flows.prepare` does at set-up what the first run would wait for: Python compiles what a run imports (pip
does not), numba compiles the loops, and MLflow makes an empty database to copy."""

import importlib
from pkgutil import walk_packages

import pipeline
import snnprune
from flows.engine.local import LIBRARIES
from flows.environment import set_defaults
from snnprune.sparse.__main__ import compile_all

IMPORTED = (*LIBRARIES, "flows.cli", "flows.display", "flows.run", "sklearn.datasets", "sklearn.model_selection")
OF_PACKAGES = "snnprune.adapters.packages."  # need packages that not everybody has


def prepare() -> None:
    """Import all that, train a tiny network, and make the database."""
    set_defaults()
    for name in IMPORTED:
        importlib.import_module(name)
    for package in (pipeline, snnprune):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.startswith(OF_PACKAGES):
                importlib.import_module(module.name)
    compile_all()
    from flows.tracking.database import make_empty  # sets MLflow up by the defaults

    make_empty()


if __name__ == "__main__":
    prepare()
