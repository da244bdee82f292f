"""dvc.lock cut off at any point by a kill is put back; one that has only grown is left alone."""

from pathlib import Path

import pytest

from flows import lock_copy
from flows.workspace import workspace

ENTRY = """\
  {name}:
    cmd: run {name}
    deps:
    - path: in
      md5: '1'
    outs:
    - path: {name}.txt
      md5: '2'
"""
WHOLE = "schema: '2.0'\nstages:\n" + ENTRY.format(name="a") + ENTRY.format(name="b")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    (tmp_path / "dvc.lock").write_text(WHOLE)
    lock_copy.keep(tmp_path)
    return tmp_path


@pytest.mark.parametrize("length", range(0, WHOLE.rindex("    outs:") + len("    outs:\n"), 7))
def test_whatever_is_cut_off_comes_back(root: Path, length: int) -> None:
    (root / "dvc.lock").write_text(WHOLE[:length])
    assert lock_copy.mend(root)
    assert (root / "dvc.lock").read_text() == WHOLE


def test_a_missing_file_comes_back(root: Path) -> None:
    (root / "dvc.lock").unlink()
    assert lock_copy.mend(root)
    assert (root / "dvc.lock").read_text() == WHOLE


def test_what_has_grown_or_changed_stays(root: Path) -> None:
    changed = WHOLE.replace("'2'", "'3'") + ENTRY.format(name="c")
    (root / "dvc.lock").write_text(changed)
    assert not lock_copy.mend(root)
    assert (root / "dvc.lock").read_text() == changed


def test_without_a_copy_nothing_is_touched(root: Path) -> None:
    lock_copy.drop(root)
    (root / "dvc.lock").write_text("half")
    assert not lock_copy.mend(root)
    assert (root / "dvc.lock").read_text() == "half"


def test_a_flow_mends_what_the_killed_one_before_it_left_and_drops_the_copy_at_its_end(root: Path) -> None:
    (root / "dvc.lock").write_text(WHOLE[:30])
    with workspace(root):
        assert (root / "dvc.lock").read_text() == WHOLE
    assert not (root / lock_copy.COPY).exists()
