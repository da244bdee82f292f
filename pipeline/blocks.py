"""The blocks an experiment has in params.yaml, and the studies it may have.

Not in `params.py`, which every stage depends on: a new study must not make DVC train anything anew.
"""

from collections.abc import Iterable

REQUIRED = ("data", "model", "train", "prune", "methods", "layers")
STUDIES = (  # a DVC stage where there is such a block
    *("layers", "relaxation", "zombies", "staleness", "sweep", "alpha", "paper"),
    *("temporal", "early_exit", "energy"),
)
ALLOWED = tuple(dict.fromkeys((*REQUIRED, *STUDIES)))


def unknown_blocks(experiment: str, blocks: Iterable[str]) -> list[str]:
    """One line for every block of the experiment that has no meaning."""
    return [
        f"experiments.{experiment}.{name}: unknown key; allowed here: {', '.join(ALLOWED)}"
        for name in blocks
        if name not in ALLOWED
    ]


def missing_blocks(experiment: str, blocks: Iterable[str]) -> list[str]:
    """One line for every required block that the experiment lacks."""
    found = set(blocks)
    return [
        f"experiments.{experiment}.{name}: missing; required are: {', '.join(REQUIRED)}"
        for name in REQUIRED
        if name not in found
    ]
