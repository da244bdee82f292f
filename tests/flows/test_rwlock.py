"""What a killed DVC left on the list of files in use."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from flows.rwlock import RWLOCK, clear_rwlock
from flows.workspace import workspace
from tests.flows.test_guard import within


@pytest.fixture
def living() -> Iterator[int]:
    """The id of a process that looks like DVC."""
    with subprocess.Popen([sys.executable, "-c", "input()", "dvc"], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.communicate(b"\n")


@pytest.fixture
def unreaped() -> Iterator[int]:
    """The id of one that is dead but not waited for: it exists all the same."""
    with subprocess.Popen([sys.executable, "-c", "", "dvc"]) as process:
        assert within(30, lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
        yield process.pid


def test_a_list_of_the_dead_is_removed(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    _write(tmp_path, {"read": {"a": [_holder(gone.pid)]}, "write": {"b": _holder(gone.pid)}})
    clear_rwlock(tmp_path)
    assert not (tmp_path / RWLOCK).exists()


def test_the_dead_go_and_the_living_stay(tmp_path: Path, living: int, unreaped: int) -> None:
    _write(
        tmp_path,
        {
            "read": {"a": [_holder(living), _holder(unreaped)], "b": [_holder(unreaped)]},
            "write": {"c": _holder(unreaped), "d": _holder(living)},
        },
    )
    clear_rwlock(tmp_path)
    left = json.loads((tmp_path / RWLOCK).read_text())
    assert left == {"read": {"a": [_holder(living)]}, "write": {"d": _holder(living)}}


def test_a_half_written_list_is_removed(tmp_path: Path) -> None:
    (tmp_path / RWLOCK).parent.mkdir(parents=True)
    (tmp_path / RWLOCK).write_text('{"read": {"a"')
    clear_rwlock(tmp_path)
    assert not (tmp_path / RWLOCK).exists()


def test_a_flow_clears_it_at_its_start_and_leaves_the_living(tmp_path: Path, living: int, unreaped: int) -> None:
    _write(tmp_path, {"write": {"a": _holder(unreaped), "b": _holder(living)}})
    with workspace(tmp_path):
        assert json.loads((tmp_path / RWLOCK).read_text())["write"] == {"b": _holder(living)}


def _holder(pid: int) -> dict:
    return {"pid": pid, "cmd": "dvc repro"}


def _write(root: Path, lists: dict) -> None:
    (root / RWLOCK).parent.mkdir(parents=True)
    (root / RWLOCK).write_text(json.dumps(lists))
