"""The blocks an experiment has in params.yaml: those that every one needs, and one for each study.

Not in `io/params.py`, which every stage depends on: a new study must not make DVC train anything anew.
"""

from collections.abc import Iterable

from pipeline.studies import available

REQUIRED = ("data", "model", "train", "prune", "methods", "layers")


def unknown_blocks(experiment: str, blocks: Iterable[str]) -> list[str]:
    """One line for every block of the experiment that has no meaning."""
    allowed = dict.fromkeys([*REQUIRED, *available()])
    return [
        f"experiments.{experiment}.{name}: unknown key; allowed here: {', '.join(allowed)}"
        for name in blocks
        if name not in allowed
    ]


def missing_blocks(experiment: str, blocks: Iterable[str]) -> list[str]:
    """One line for every required block that the experiment lacks."""
    found = set(blocks)
    return [
        f"experiments.{experiment}.{name}: missing; required are: {', '.join(REQUIRED)}"
        for name in REQUIRED
        if name not in found
    ]
