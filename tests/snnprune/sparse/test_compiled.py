import importlib
import os
import pkgutil
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from numba.core.dispatcher import Dispatcher

import snnprune.sparse
from snnprune.sparse import compiled

CALLED = """
from compiled import compiled

@compiled()
def called():
    return {}
"""
CALLING = """
from called import called
from compiled import compiled

@compiled()
def twice():
    return 2 * called()
"""
ASK = "from calling import twice; print(twice(), sum(twice.stats.cache_hits.values()))"
MODULES = [f"snnprune.sparse.{found.name}" for found in pkgutil.iter_modules(snnprune.sparse.__path__)]


def asked(folder: Path) -> list[int]:
    """What `twice` gives in another process, and how many loops came from the cache."""
    told = {**os.environ, "PYTHONPATH": str(folder), "XDG_CACHE_HOME": str(folder.parent / "cache")}
    said = subprocess.run([sys.executable, "-c", ASK], env=told, check=True, capture_output=True, text=True).stdout
    return [int(word) for word in said.split()]


def test_a_change_of_what_a_loop_calls_in_another_file_compiles_it_anew(tmp_path: Path) -> None:
    shutil.copy(compiled.__file__, tmp_path)
    (tmp_path / "called.py").write_text(CALLED.format(1))
    (tmp_path / "calling.py").write_text(CALLING)
    assert asked(tmp_path) == [2, 0]
    assert asked(tmp_path) == [2, 1]
    (tmp_path / "called.py").write_text(CALLED.format(3))
    assert asked(tmp_path) == [6, 0]


def test_loops_that_are_imported_from_a_zip_are_cached_as_numba_does(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as code:
        code.write(compiled.__file__, "compiled.py")
        code.writestr("called.py", CALLED.format(1))
        code.writestr("calling.py", CALLING)
    assert asked(tmp_path / "code.zip") == [2, 0]


@pytest.mark.parametrize("name", [*MODULES, "snnprune.quantise.kernels"])
def test_every_loop_of_the_library_is_cached_so(name: str) -> None:
    module = importlib.import_module(name)
    loops = [loop for loop in vars(module).values() if isinstance(loop, Dispatcher)]
    assert loops or "numba" not in vars(module)
    for loop in loops:
        assert isinstance(loop._cache._impl.locator, compiled._Folder)
        assert loop._cache._impl.locator.get_source_stamp().endswith(compiled.stamp_of(Path(compiled.__file__).parent))
