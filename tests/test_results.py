"""The committed results: every file was made by a stage of dvc.lock, and is the one that the lock names."""

import hashlib
import re
import subprocess
from functools import reduce
from operator import getitem
from typing import Any

from dvc.dependency import ParamsDependency
from ruamel.yaml import YAML

from tests.committed import lock, stages
from tests.imports import PROJECT


def committed() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "results"], cwd=PROJECT, capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


def outputs() -> dict[str, dict[str, Any]]:
    """What dvc.lock says of each output, by path."""
    return {out["path"]: out for entry in lock().values() for out in entry["outs"]}


def test_every_committed_result_is_an_output_of_a_stage() -> None:
    outs = outputs()
    folders = tuple(f"{path}/" for path, out in outs.items() if out["md5"].endswith(".dir"))
    assert committed()
    assert [path for path in committed() if path not in outs and not path.startswith(folders)] == []


def test_every_committed_result_is_that_of_the_lock() -> None:
    outs = outputs()
    files = [path for path in committed() if path in outs]
    found = {path: hashlib.md5((PROJECT / path).read_bytes()).hexdigest() for path in files}
    assert files
    assert found == {path: outs[path]["md5"] for path in files}


def test_what_the_lock_says_a_stage_has_read_is_what_it_says_was_made() -> None:
    """Of a folder of results it names how many files there were, and their bytes: none of a stage that is gone."""
    outs = outputs()
    for stage, entry in lock().items():
        for dep in entry.get("deps", []):
            inside = [out for path, out in outs.items() if path.startswith(f"{dep['path']}/")]
            if dep["path"] in outs:
                assert dep["md5"] == outs[dep["path"]]["md5"], f"{stage}: {dep['path']}"
            elif inside:
                made = (sum(out.get("nfiles", 1) for out in inside), sum(out["size"] for out in inside))
                assert (dep["nfiles"], dep["size"]) == made, f"{stage}: {dep['path']}"


def test_what_is_said_to_be_of_todays_code_is_what_today_would_be_run() -> None:
    """As `dvc status` asks, of what a clone has: code, params and published data."""
    page = (PROJECT / "docs/results.md").read_text(encoding="utf-8")
    made_with = dict(re.findall(r"^\| (\S+) \|.*\| ([^|]+) \|$", page.partition("## ")[0], flags=re.MULTILINE))
    params, known = YAML(typ="safe").load(PROJECT / "params.yaml"), {}
    assert made_with["digits"] == "today's code"
    for address in lock().keys() & stages().keys():
        place = address.partition("@")[2]
        experiment = max((name for name in made_with if place.startswith(name)), key=len)
        if made_with[experiment] == "today's code":
            entry = lock()[address]
            locked = {dep["path"]: dep["md5"] for dep in entry["deps"]}
            for dep in stages()[address].deps:
                path = dep.def_path
                if isinstance(dep, ParamsDependency):
                    found = {key: reduce(getitem, key.split("."), params) for key in dep.params}
                    assert (path, found) == ("params.yaml", entry["params"][path]), address
                elif not path.startswith("results/"):
                    if path not in known:
                        dep.save()
                        known[path] = dep.hash_info.value
                    assert locked[path] == known[path], f"{address}: {path}"
