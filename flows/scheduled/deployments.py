"""Reads prefect.yaml, which lists the deployments."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from snnprune.core.errors import UserError

DEPLOYMENTS = Path("prefect.yaml")
EXPECTED = f"{DEPLOYMENTS}: expected `deployments:`, a list of entries with a name"


def read_entries(root: Path) -> list[dict[str, Any]]:
    """The entries of the project in `root`, each with a `name`. Raises UserError: there is no such file, or it holds
    something else."""
    if not (root / DEPLOYMENTS).is_file():
        raise UserError(f"{DEPLOYMENTS}, which lists the deployments, was not found in {root}")
    try:
        content = YAML(typ="safe").load(root / DEPLOYMENTS)
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{EXPECTED}: {error}") from error
    entries = content.get("deployments") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(map(_has_name, entries)):
        raise UserError(EXPECTED)
    return entries


def _has_name(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("name"), str)
