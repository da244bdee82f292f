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
      md5: cccccccccccccccccccccccccccccccc
    outs:
    - path: {name}.txt
      md5: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
"""
WHOLE = "schema: '2.0'\nstages:\n" + ENTRY.format(name="a") + ENTRY.format(name="b")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    (tmp_path / "dvc.lock").write_text(WHOLE)
    lock_copy.keep(tmp_path)
    return tmp_path


@pytest.mark.parametrize("length", range(0, len(WHOLE), 7))
def test_whatever_is_cut_off_comes_back(root: Path, length: int) -> None:
    (root / "dvc.lock").write_text(WHOLE[:length])
    assert lock_copy.mend(root)
    assert (root / "dvc.lock").read_text() == WHOLE


def test_a_missing_file_comes_back(root: Path) -> None:
    (root / "dvc.lock").unlink()
    assert lock_copy.mend(root)
    assert (root / "dvc.lock").read_text() == WHOLE


def test_what_has_grown_or_changed_stays(root: Path) -> None:
    changed = WHOLE.replace("a" * 32, "b" * 32) + ENTRY.format(name="c")
    (root / "dvc.lock").write_text(changed)
    assert not lock_copy.mend(root)
    assert (root / "dvc.lock").read_text() == changed


@pytest.mark.parametrize("length", range(1, len("  c:\n    cmd: ")))
def test_a_new_entry_without_its_command_is_cut_off(root: Path, length: int) -> None:
    (root / "dvc.lock").write_text(WHOLE + ENTRY.format(name="c")[:length])
    assert lock_copy.mend(root) == bool(ENTRY.format(name="c")[:length].strip())


def test_an_entry_that_has_become_shorter_stays(root: Path) -> None:
    shorter = WHOLE.replace("    deps:\n    - path: in\n      md5: cccccccccccccccccccccccccccccccc\n", "")
    (root / "dvc.lock").write_text(shorter)
    assert not lock_copy.mend(root)
    assert (root / "dvc.lock").read_text() == shorter


def test_a_lock_of_other_stages_stays(root: Path) -> None:
    """After a flow was killed someone may check out another commit."""
    other = "schema: '2.0'\nstages:\n" + ENTRY.format(name="b")
    (root / "dvc.lock").write_text(other)
    assert not lock_copy.mend(root)
    assert (root / "dvc.lock").read_text() == other


def test_no_lock_is_kept_as_none(root: Path) -> None:
    (root / "dvc.lock").unlink()
    lock_copy.keep(root)
    assert not lock_copy.mend(root)
    assert not (root / "dvc.lock").exists()


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
