"""One flow per folder, and what a killed DVC left behind."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flows.workspace import DVC_RWLOCK, WorkspaceBusy, workspace

HOLD = """
import sys
from pathlib import Path
from flows.workspace import workspace
with workspace(Path.cwd()):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_flow_is_told_that_the_folder_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(WorkspaceBusy, match=f"another flow is running in {tmp_path}"), workspace(tmp_path):
            pass
        other.stdin.close()
    with workspace(tmp_path):
        pass


def test_a_rwlock_of_dead_processes_is_removed(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    _write_rwlock(tmp_path, gone.pid)
    with workspace(tmp_path):
        assert not (tmp_path / DVC_RWLOCK).exists()


def test_a_half_written_rwlock_is_removed(tmp_path: Path) -> None:
    _write_rwlock(tmp_path, 1)
    (tmp_path / DVC_RWLOCK).write_text('{"read": {"a"')
    with workspace(tmp_path):
        assert not (tmp_path / DVC_RWLOCK).exists()


def test_a_rwlock_of_a_living_dvc_stays(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()", "dvc"], stdin=subprocess.PIPE) as living:
        _write_rwlock(tmp_path, living.pid)
        with workspace(tmp_path):
            assert (tmp_path / DVC_RWLOCK).exists()
        living.communicate(b"\n")


def _write_rwlock(root: Path, pid: int) -> None:
    (root / DVC_RWLOCK).parent.mkdir(parents=True)
    holder = {"pid": pid, "cmd": "dvc repro"}
    (root / DVC_RWLOCK).write_text(json.dumps({"read": {"a": [holder]}, "write": {"b": holder}}))
