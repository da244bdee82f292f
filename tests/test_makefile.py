"""Holds the two commands to their word: clear one-line errors, and every command in the README exists."""

import re
import subprocess
import sys
from pathlib import Path

from tests.imports import PROJECT


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", "-C", str(PROJECT), *arguments], capture_output=True, text=True, cwd=folder)


def test_a_missing_python_is_one_clear_line(tmp_path: Path) -> None:
    done = make(tmp_path, "setup", "PYTHON=no-such-python", f"VENV={tmp_path / 'venv'}")
    assert done.returncode != 0
    assert "error: no-such-python was not found" in done.stdout


def test_a_python_that_is_too_old_is_one_clear_line(tmp_path: Path) -> None:
    old = tmp_path / "old-python"
    pretend = "import sys; sys.version_info = (3, 9, 0); exec(sys.argv[1])"
    old.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{pretend}' \"$2\"\n")  # called as: old-python -c CODE
    old.chmod(0o755)
    done = make(tmp_path, "setup", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}")
    assert done.returncode != 0
    assert f"error: Python 3.11 or later is needed, {old} is 3.9" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_help_names_every_command_of_the_readme(tmp_path: Path) -> None:
    named = set(re.findall(r"^make (\w+)", make(tmp_path).stdout, flags=re.MULTILINE))
    readme = set(
        re.findall(r"(?:^|`)make (\w+)", (PROJECT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    )
    assert {"run", "test", "ui"} <= readme
    assert readme <= named
