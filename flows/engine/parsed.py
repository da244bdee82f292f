"""Lets DVC parse params once, and look its keys up once: it does so eight times for each stage that runs, whatever
became of the file."""

from copy import deepcopy
from functools import lru_cache, partial
from typing import Any

import dpath
from dvc.dependency import param
from dvc.utils.serialize import LOADERS, parse_yaml
from dvc.utils.serialize._common import _load_data

_parse = lru_cache(maxsize=4)(parse_yaml)  # by text and path
_read_as_dvc = param.read_param_file


def remember_params() -> None:
    """From now on, DVC takes what it found in a YAML file while its text is the same. The file is still read."""
    LOADERS[".yaml"] = _load
    param.read_param_file = _read


def _load(path: str, fs: Any = None, **options: Any) -> Any:
    return deepcopy(_load_data(path, _parse, fs, **options))  # each caller's own


def _read(fs: Any, path: str, key_paths: list[str] | None = None, flatten: bool = False, **options: Any) -> Any:
    """DVC's `read_param_file`; its search for a dotted key goes through the whole file."""
    if not (flatten and key_paths and path.endswith(".yaml")):
        return _read_as_dvc(fs, path, key_paths, flatten, **options)
    return deepcopy(_load_data(path, partial(_values, keys=tuple(key_paths)), fs, **options))


@lru_cache(maxsize=1024)  # a stage has one list of keys
def _values(text: str, path: str, *, keys: tuple[str, ...]) -> dict[str, Any]:
    found, params = {}, _parse(text, path)
    for key in keys:
        try:
            found[key] = dpath.get(params, key, separator=".")
        except KeyError:  # DVC says so
            continue
    return found
