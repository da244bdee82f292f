"""Narrows an experiment for one run: some of its methods, other levels, other seeds. Only in a worktree."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ruamel.yaml import YAML

from flows.narrowed import NOTE
from pipeline.blocks import REQUIRED, STUDIES
from pipeline.io.files import write_text
from pipeline.io.params import PARAMS_FILE
from snnprune.core.errors import UserError


def narrow(
    experiment: str,
    methods: Sequence[str] | None = None,
    levels: Sequence[float] | None = None,
    seeds: Sequence[int] | None = None,
) -> None:
    """Change params.yaml of the working folder, a git worktree made for runs; what is None stays.

    Studies that an experiment may do without are left out of a narrowed one: they ask for methods, levels and seeds of
    their own. What is asked for as it stands in params.yaml changes nothing.

    Raises:
        UserError: this is a person's own folder, there is no such experiment, or it has no such method.
        ParamsError: the methods, levels or seeds are not allowed; params.yaml is as before.
    """
    wanted = {"methods": methods, "levels": levels, "seeds": seeds}
    asked = {name: list(values) for name, values in wanted.items() if values is not None}
    if not asked:
        return
    if not Path(".git").is_file():
        raise UserError("methods, levels and seeds of a run change params.yaml, so they need a git worktree of its own")
    yaml = YAML()
    tree = yaml.load(PARAMS_FILE)
    changed = _change(tree, experiment, asked)
    if not changed:
        return
    stream = io.StringIO()
    yaml.dump(tree, stream)
    _validate(stream.getvalue())
    write_text(NOTE, json.dumps(changed, sort_keys=True) + "\n")
    write_text(PARAMS_FILE, stream.getvalue())


def _change(tree: dict[str, Any], experiment: str, asked: dict[str, list]) -> dict[str, list]:
    """Put what is asked for into the tree; what of it was not there already."""
    if experiment not in tree["matrix"]:
        raise UserError(f"no experiment {experiment!r}; the matrix in params.yaml has: {', '.join(tree['matrix'])}")
    entry, blocks = tree["matrix"][experiment], tree["experiments"][experiment]
    if unknown := [method for method in asked.get("methods", ()) if method not in blocks["methods"]]:
        raise UserError(f"{experiment} has no method {unknown[0]!r}; it has: {', '.join(blocks['methods'])}")
    places = {"methods": entry, "levels": blocks["prune"], "seeds": entry}
    changed = {name: values for name, values in asked.items() if places[name].get(name) != values}
    for name, values in changed.items():
        places[name][name] = values
    if "levels" in changed:
        blocks["prune"].pop("schedule", None)  # another way to say the levels
    if changed:
        for study in set(STUDIES) - set(REQUIRED):
            blocks.pop(study, None)
    return changed


def _validate(text: str) -> None:
    from pipeline.experiments import validate_params  # takes seconds, for it imports torch

    with TemporaryDirectory() as folder:
        path = Path(folder) / PARAMS_FILE
        write_text(path, text)
        validate_params(path)
