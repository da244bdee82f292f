"""`compiled`: numba's `njit`, whose cache on disk is out of date as soon as any file of this folder has changed.

numba compiles a loop on its first use and keeps it beside its file or, where that is read-only, in the user's cache
folder. It compiles it anew when that file has changed, but does not see a change of what the loop calls in other files
(https://github.com/numba/numba/issues/1833): after an update it would go on with the old code.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import config, njit
from numba.core.caching import InTreeCacheLocator, UserProvidedCacheLocator, UserWideCacheLocator, ZipCacheLocator


def stamp_of(folder: Path) -> bytes:
    """A hash of the folder's Python files."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(folder.glob("*.py")))).digest()


STAMP = stamp_of(Path(__file__).parent)


class _Folder:
    def get_source_stamp(self) -> bytes:
        return super().get_source_stamp() + STAMP


class Provided(_Folder, UserProvidedCacheLocator):
    """In the folder that NUMBA_CACHE_DIR names, if it names one."""


class InTree(_Folder, InTreeCacheLocator):
    """Beside the file."""


class UserWide(_Folder, UserWideCacheLocator):
    """In the user's cache folder."""


KINDS = (Provided, InTree, UserWide, ZipCacheLocator)  # the first that can is taken; what is in a zip nobody edits
LOCATORS = ",".join(f"{kind.__module__}.{kind.__name__}" for kind in KINDS)


def compiled(**options: Any) -> Callable[[Callable], Callable]:
    """`njit` with `options`, cached. Other people's loops are cached as they were before."""

    def decorated(loop: Callable) -> Callable:
        before, config.CACHE_LOCATOR_CLASSES = config.CACHE_LOCATOR_CLASSES, LOCATORS
        try:
            return njit(**options, cache=True)(loop)
        finally:
            config.CACHE_LOCATOR_CLASSES = before

    return decorated
