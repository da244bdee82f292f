"""The committed results: every file was made by a stage of dvc.lock, and is the one that the lock names."""

import hashlib
import subprocess

from ruamel.yaml import YAML

from tests.imports import PROJECT

LOCK = YAML(typ="safe").load(PROJECT / "dvc.lock")
OUTS = {out["path"]: out["md5"] for stage in LOCK["stages"].values() for out in stage.get("outs", [])}


def committed() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "results"], cwd=PROJECT, capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


def test_every_committed_result_is_an_output_of_a_stage() -> None:
    folders = tuple(f"{path}/" for path, md5 in OUTS.items() if md5.endswith(".dir"))
    assert committed()
    assert [path for path in committed() if path not in OUTS and not path.startswith(folders)] == []


def test_every_committed_result_is_that_of_the_lock() -> None:
    files = [path for path in committed() if path in OUTS]
    found = {path: hashlib.md5((PROJECT / path).read_bytes()).hexdigest() for path in files}
    assert files
    assert found == {path: OUTS[path] for path in files}
