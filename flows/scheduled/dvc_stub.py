"""What the engine's file of DVC's internals is to offer."""

from pathlib import Path

from dvc.exceptions import InvalidArgumentError
from dvc.repo import Repo
from dvc.utils.hydra import apply_overrides as apply

from snnprune.core.errors import UserError


def cache_folder(root: Path) -> str:
    """The absolute folder of the project's DVC cache."""
    return Repo(str(root)).cache.local_cache_dir


def apply_overrides(params_path: Path, overrides: list[str]) -> None:
    """Write overrides, in the syntax of `dvc exp run -S`, into a params file.

    Raises:
        UserError: one of them does not parse, or names a key that is not there.
    """
    try:
        apply(params_path, overrides)
    except InvalidArgumentError as error:
        raise UserError(f"overrides: {error.__cause__ or error}") from error
