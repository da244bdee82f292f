"""The units of deploy/systemd, as systemd itself reads them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.imports import PROJECT

UNITS = sorted((PROJECT / "deploy/systemd").glob("*.service"))
HOME = "/srv/snnprune"

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def verify(folder: Path, edit: tuple[str, str] = ("", "")) -> tuple[int, str]:
    """What `systemd-analyze verify` says of the units with the project in `folder`."""
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/python").symlink_to(sys.executable)
    for unit in UNITS:
        (folder / unit.name).write_text(unit.read_text().replace(HOME, str(folder)).replace(*edit))
    done = subprocess.run(
        ["systemd-analyze", "verify", *(str(folder / unit.name) for unit in UNITS)], capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


def test_systemd_has_nothing_to_say(tmp_path: Path) -> None:
    assert len(UNITS) == 4
    assert verify(tmp_path) == (0, "")


@pytest.mark.parametrize("edit", [("NoNewPrivileges", "NoPrivileges"), ("ExecStart=", "ExecStart=/nowhere")])
def test_it_would_say_so(tmp_path: Path, edit: tuple[str, str]) -> None:
    assert verify(tmp_path, edit) != (0, "")
