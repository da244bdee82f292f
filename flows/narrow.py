"""Narrows an experiment for one run: some of its methods, other levels, other seeds. Only in a worktree."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.errors import UserError
from pipeline.files import write_text
from pipeline.params import PARAMS_FILE, read_params


def narrow(
    experiment: str,
    methods: Sequence[str] | None = None,
    levels: Sequence[float] | None = None,
    seeds: Sequence[int] | None = None,
) -> None:
    """Change params.yaml of the working folder, a git worktree made for runs; what is None stays.

    Raises:
        UserError: this is a person's own folder, there is no such experiment, or it has no such method.
        ParamsError: the levels or seeds are not allowed; params.yaml is as before.
    """
    if methods is None and levels is None and seeds is None:
        return
    if not Path(".git").is_file():
        raise UserError("methods, levels and seeds of a run change params.yaml, so they need a git worktree of its own")
    before = PARAMS_FILE.read_text(encoding="utf-8")
    yaml = YAML()
    tree = yaml.load(before)
    _change(tree, experiment, methods, levels, seeds)
    text = io.StringIO()
    yaml.dump(tree, text)
    write_text(PARAMS_FILE, text.getvalue())
    try:
        _validate()
    except UserError:
        write_text(PARAMS_FILE, before)
        raise


def _change(
    tree: dict[str, Any],
    experiment: str,
    methods: Sequence[str] | None,
    levels: Sequence[float] | None,
    seeds: Sequence[int] | None,
) -> None:
    if experiment not in tree["matrix"]:
        raise UserError(f"no experiment {experiment!r}; the matrix in params.yaml has: {', '.join(tree['matrix'])}")
    known = tree["experiments"][experiment]["methods"]
    if unknown := [method for method in methods or () if method not in known]:
        raise UserError(f"{experiment} has no method {unknown[0]!r}; it has: {', '.join(known)}")
    entry = tree["matrix"][experiment]
    entry["methods"] = list(methods) if methods is not None else entry["methods"]
    entry["seeds"] = list(seeds) if seeds is not None else entry["seeds"]
    if levels is not None:
        tree["experiments"][experiment]["prune"]["levels"] = list(levels)


def _validate() -> None:
    from pipeline.experiments import validate_params  # takes seconds, for it imports torch
    from pipeline.params import matrix_of

    matrix_of(read_params(PARAMS_FILE))
    validate_params()
