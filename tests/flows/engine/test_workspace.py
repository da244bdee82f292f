"""One flow per folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from flows.engine.workspace import workspace
from snnprune.core.errors import UserError

HOLD = """
import sys
from pathlib import Path
from flows.engine.workspace import workspace
with workspace(Path.cwd()):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_flow_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(UserError, match=f"another flow is running in {tmp_path}"), workspace(tmp_path):
            pass
        other.stdin.close()
    with workspace(tmp_path):
        pass
