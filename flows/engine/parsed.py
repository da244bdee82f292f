"""Lets DVC parse params once: it does so eight times for each stage that runs, whatever became of the file."""

import pickle
from functools import lru_cache
from typing import Any

from dvc.utils.serialize import LOADERS, parse_yaml
from dvc.utils.serialize._common import _load_data


def remember_params() -> None:
    """From now on, DVC takes what it parsed of a YAML file while its text is the same. The file is still read."""
    LOADERS[".yaml"] = _load


def _load(path: str, fs: Any = None, **options: Any) -> Any:
    return pickle.loads(_load_data(path, _parse, fs, **options))  # a copy of its own for each caller


@lru_cache(maxsize=4)
def _parse(text: str, path: str) -> bytes:
    return pickle.dumps(parse_yaml(text, path))
