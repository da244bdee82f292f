"""Entries of dvc.lock: written one by one they give the file that DVC writes."""

import json
from pathlib import Path
from typing import Any

import pytest
from dvc.dvcfile import Lockfile
from dvc.repo import Repo
from dvc.utils.serialize import dumps_yaml

from flows.engine.dvc import Project
from flows.engine.lockfile import HEAD, with_entry
from tests.committed import lock

LAYERS = [784, 100, 10]
ADDED = {"path": "a file: with 'quotes' #", "hash": "md5", "md5": "0" * 32, "size": 1}
OTHER = {"cmd": "echo " + "a long command " * 20, "params": {"params.yaml": {"lr": 1e-05, "x": [None, True, "1"]}}}
CHANGES = {
    "none": lambda entry: {},
    "shorter": lambda entry: {"deps": entry["deps"][:1]},
    "longer": lambda entry: {"deps": [*entry["deps"], ADDED]},
    "other values": lambda entry: OTHER,
    # an anchor in params.yaml: one list in two places
    "shared": lambda entry: {"params": {"params.yaml": {"one": LAYERS, "two": LAYERS}}},
}


@pytest.mark.parametrize("place", ["first", "middle", "last"])
@pytest.mark.parametrize("change", CHANGES)
def test_an_entry_is_replaced_as_dvc_does(tmp_path: Path, place: str, change: str) -> None:
    entries = unshared(6)  # DVC takes seconds for all of them
    committed = dumps_yaml({"schema": "2.0", "stages": entries})
    name = list(entries)[{"first": 0, "middle": len(entries) // 2, "last": -1}[place]]
    entry = entries[name] | CHANGES[change](entries[name])
    by_dvc, ours = written_by_both(tmp_path, committed, name, entry)
    if change == "shared":
        assert "*id001" in by_dvc
        assert "id001" not in ours
        entry = json.loads(json.dumps(entry))
        by_dvc, ours = written_by_both(tmp_path, committed, name, entry)
    assert ours == by_dvc
    assert (committed in ours) == (change == "none")


@pytest.mark.parametrize("name", ["new@stage-1", "123", "true", "a"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "schema: '2.0'\nstages: {}\n",
        "schema: '2.0'\nstages:\n  a:\n    cmd: echo\n  '123':\n    cmd: |-\n      one\n      two\n",
        "schema: '2.0'\ndatasets: []\nstages:\n  a:\n    cmd: echo\n",
        "schema: '2.0'\nstages:\n  a:\n    cmd: echo\ndatasets: []\n",
        "stages:\n  a:\n    cmd: echo\nschema: '2.0'\n",
    ],
)
def test_any_file_gets_any_entry_as_dvc_writes_it(tmp_path: Path, text: str, name: str) -> None:
    entry = {"cmd": ["one", "two\nlines"], "outs": [{"path": "x", "hash": "md5", "md5": "0", "size": 3}]}
    by_dvc, ours = written_by_both(tmp_path, text, name, entry)
    assert ours == by_dvc


def test_the_whole_committed_file_is_made_entry_by_entry() -> None:
    text, entries = HEAD, unshared()
    for name, entry in entries.items():
        text = with_entry(text, dumps_yaml({"stages": {name: entry}}).removeprefix("stages:\n"))
    assert text == dumps_yaml({"schema": "2.0", "stages": entries})


def test_an_anchor_is_left_to_dvc() -> None:
    text = f"{HEAD}  a:\n    cmd: echo\n    deps:\n    - &id001\n      path: x\n  b:\n    deps:\n    - *id001\n"
    assert with_entry(text, "  a:\n    cmd: new\n") is None
    assert with_entry(text.replace("&id001\n      path: x", "&id001 []"), "  a:\n    cmd: new\n") is None
    assert with_entry(text, "  b:\n    cmd: new\n") == text[: text.index("  b:")] + "  b:\n    cmd: new\n"


def unshared(count: int | None = None) -> dict[str, Any]:
    """The first entries of the committed file, of which no two hold the same object: DVC would write an anchor."""
    return json.loads(json.dumps(dict(list(lock().items())[:count])))


class DvcStage:
    """As much of DVC's stage as is written."""

    def __init__(self, lockfile: Lockfile, name: str, entry: Any) -> None:
        self.name, self.entry = name, entry
        self.dvcfile = type("DvcFile", (), {"_lockfile": lockfile})


def written_by_both(folder: Path, text: str, name: str, entry: Any) -> tuple[str, str]:
    """Two dvc.lock files of the same text after an entry was written, by DVC and by us; with what each told git."""
    if not (folder / ".dvc").exists():
        Repo.init(str(folder), no_scm=True)
    (folder / "dvc.yaml").write_text("stages: {a: {cmd: echo}}\n")
    (folder / "dvc.lock").unlink(missing_ok=True)
    ours = Project(folder)
    lockfile = Lockfile(ours._repo, str(folder / "dvc.lock"))
    found = []
    for write in (lambda stage: lockfile.dump_stages([stage]), ours._record):
        (folder / "dvc.lock").unlink(missing_ok=True)
        if text:
            (folder / "dvc.lock").write_text(text, encoding="utf-8")
        ours._repo.scm_context.files_to_track.clear()
        with pytest.MonkeyPatch.context() as patch:
            for module in ("dvc.stage.serialize", "flows.engine.dvc"):
                patch.setattr(f"{module}.to_lockfile", lambda stage: {stage.name: stage.entry})
            write(DvcStage(lockfile, name, entry))
        told = sorted(Path(path).name for path in ours._repo.scm_context.files_to_track)
        found.append(f"{told}\n{(folder / 'dvc.lock').read_text(encoding='utf-8')}")
    return found[0], found[1]
