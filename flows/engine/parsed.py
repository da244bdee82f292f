"""Lets DVC parse params once: it does so eight times for each stage that runs, whatever became of the file."""

from copy import deepcopy
from functools import lru_cache
from typing import Any

from dvc.utils.serialize import LOADERS, parse_yaml
from dvc.utils.serialize._common import _load_data

_parse = lru_cache(maxsize=4)(parse_yaml)  # by text and path


def remember_params() -> None:
    """From now on, DVC takes what it parsed of a YAML file while its text is the same. The file is still read."""
    LOADERS[".yaml"] = _load


def _load(path: str, fs: Any = None, **options: Any) -> Any:
    return deepcopy(_load_data(path, _parse, fs, **options))  # each caller's own
