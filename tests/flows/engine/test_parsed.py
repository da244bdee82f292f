"""The cached lookup of params returns what DVC's own lookup would, also after the file has changed."""

from pathlib import Path

import pytest
from dvc.dependency import param
from dvc.fs import LocalFileSystem
from dvc.utils.serialize import ParseError

from flows.engine import parsed

TEXT = """\
a: {b: {c: 1, d: [x, {e: 2.5}]}, "1": text}
empty: {}
nothing:
"""
KEYS = [["a"], ["a.b"], ["a.b.c", "a.b.d", "a.1"], ["a.b.d.0", "a.b.d.1.e"], ["empty", "nothing"], ["none", "a.none"]]
FS = LocalFileSystem()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    parsed.remember_params()
    path = tmp_path / "params.yaml"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize("flatten", [True, False])
@pytest.mark.parametrize("keys", [*KEYS, None], ids=str)
def test_found_is_what_dvc_finds(file: Path, keys: list[str] | None, flatten: bool) -> None:
    expected = parsed._read_as_dvc(FS, str(file), keys, flatten)
    for _ in range(2):
        assert param.read_param_file(FS, str(file), keys, flatten) == expected


def test_a_changed_file_is_read_anew(file: Path) -> None:
    assert param.read_param_file(FS, str(file), ["a.b.c"], flatten=True) == {"a.b.c": 1}
    file.write_text("a: {b: {c: 2}}\n")
    assert param.read_param_file(FS, str(file), ["a.b.c"], flatten=True) == {"a.b.c": 2}


def test_who_changes_what_was_found_changes_it_for_nobody_else(file: Path) -> None:
    param.read_param_file(FS, str(file), ["a"], flatten=True)["a"]["b"]["c"] = 7
    assert param.read_param_file(FS, str(file), ["a.b"], flatten=True)["a.b"]["c"] == 1
    assert param.read_param_file(FS, str(file), ["a"], flatten=True)["a"]["b"]["c"] == 1


@pytest.mark.parametrize("content", [b"a: [", b"\xff"], ids=["no YAML", "no UTF-8"])
def test_a_damaged_file_is_dvcs_own_error(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(ParseError):
        param.read_param_file(FS, str(file), ["a"], flatten=True)
