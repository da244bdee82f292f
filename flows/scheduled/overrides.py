"""Overrides of params.yaml for one run, in the syntax of `dvc exp run -S`. Only in a worktree made for runs."""

from pathlib import Path

from flows.scheduled.dvc_stub import apply_overrides
from flows.scheduled.worktree import is_for_runs
from pipeline.experiments import validate_params
from pipeline.io.params import PARAMS_FILE
from snnprune.core.errors import UserError

TAG = "overrides"
SUFFIX = ".overrides"  # of the MLflow experiment; no experiment can be called so, as a dot is not allowed


def override(overrides: list[str]) -> None:
    """Write overrides such as `experiments.digits.train.epochs=3` into params.yaml of the current folder, and check it.

    Raises:
        UserError: one does not parse or names no key of params.yaml, or this is a person's own folder.
        ParamsError: params.yaml would hold something that is not allowed.
    """
    if not is_for_runs(Path.cwd()):
        raise UserError(
            "overrides change params.yaml, so they need a worktree made for runs, not your own folder: with "
            "`snnprune deploy` running, `prefect deployment run experiment/on-demand --param 'overrides=[...]'`"
        )
    apply_overrides(PARAMS_FILE, overrides)
    validate_params()
