"""DVC's list of the files that its processes have in use: takes off it what killed ones left.

DVC itself looks only whether a process of that number exists. One that is dead but that nobody has waited for does,
and so does another's after a container was killed and started again.
"""

import json
from pathlib import Path
from typing import Any

import psutil

RWLOCK = Path(".dvc/tmp/rwlock")


def clear_rwlock(root: Path) -> None:
    """Take the dead off the list; call it while no DVC process writes it: DVC does so under the project's lock."""
    path = root / RWLOCK
    if not path.is_file():
        return
    try:
        lists = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError:  # its writer was killed
        path.unlink()
        return
    read = {name: [one for one in holders if _is_dvc(one)] for name, holders in lists.get("read", {}).items()}
    read = {name: holders for name, holders in read.items() if holders}
    write = {name: one for name, one in lists.get("write", {}).items() if _is_dvc(one)}
    if not read and not write:
        path.unlink()
    elif (read, write) != (lists.get("read", {}), lists.get("write", {})):
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps({"read": read, "write": write}), encoding="utf-8")
        partial.replace(path)


def _is_dvc(holder: dict[str, Any]) -> bool:
    try:
        return any("dvc" in part for part in psutil.Process(holder["pid"]).cmdline())  # a dead one's is empty
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
