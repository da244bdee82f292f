"""Kills a stage at a chosen moment, whatever the machine's speed."""

import os
from collections.abc import Mapping

from tests.imports import PROJECT


def killed_at(line: str, environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` in which a Python process dies of SIGKILL as soon as it has printed a line that holds `line`."""
    found = [str(PROJECT / "tests" / "kill_at_line"), environment.get("PYTHONPATH", "")]
    return {**environment, "KILL_AT_LINE": line, "PYTHONPATH": os.pathsep.join(filter(None, found))}
