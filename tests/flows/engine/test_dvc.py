"""dvc.lock rewritten only where an entry is: the same bytes as DVC writes."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dvc.dvcfile import Lockfile
from dvc.repo import Repo
from dvc.utils.serialize import dumps_yaml
from flows.lockfile import read_lock
from flows.process import reproduce
from flows.stop import Stop

from flows import dvc_quick
from tests.flows.conftest import dvc

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = (ROOT / "dvc.lock").read_text(encoding="utf-8")


class Stage:
    """As much of a stage as is written."""

    def __init__(self, name: str, entry: Any) -> None:
        self.name, self.entry = name, entry


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, Any], tuple[str, str]]:
    """Two dvc.lock files of the same text after an entry was written, by DVC and by us; with what each told git."""
    monkeypatch.setattr("dvc.stage.serialize.to_lockfile", to_lockfile := lambda stage: {stage.name: stage.entry})
    monkeypatch.setattr(dvc_quick, "to_lockfile", to_lockfile)
    Repo.init(str(tmp_path), no_scm=True)
    repo = Repo(str(tmp_path))

    def write(text: str, name: str, entry: Any) -> tuple[str, str]:
        found = []
        for dump in (dvc_quick.dump_whole, dvc_quick.dump_entries):
            path = tmp_path / "dvc.lock"
            path.unlink(missing_ok=True)
            if text:
                path.write_text(text, encoding="utf-8")
            repo.scm_context.files_to_track.clear()
            dump(Lockfile(repo, str(path)), [Stage(name, entry)])
            found.append(f"{sorted(repo.scm_context.files_to_track)}\n{path.read_text(encoding='utf-8')}")
        return found[0], found[1]

    return write


@pytest.mark.parametrize("place", ["first", "middle", "last"])
@pytest.mark.parametrize("change", ["none", "shorter", "longer", "other values"])
def test_an_entry_is_replaced_as_dvc_does(both, place: str, change: str) -> None:
    entries = read_lock(ROOT)
    in_file = [line[2:-1] for line in COMMITTED.splitlines() if line.startswith("  ") and line[2] != " "]
    name = in_file[{"first": 0, "middle": len(in_file) // 2, "last": -1}[place]]
    entry = dict(entries[name])
    if change == "shorter":
        entry["deps"] = entry["deps"][:1]
    elif change == "longer":
        entry["deps"] = [*entry["deps"], {"path": "a file: with 'quotes' #", "hash": "md5", "md5": "0" * 32, "size": 1}]
    elif change == "other values":
        entry |= {
            "cmd": "echo " + "a long command " * 20,
            "params": {"params.yaml": {"lr": 1e-05, "x": [None, True, "1"]}},
        }
    by_dvc, ours = both(COMMITTED, name, entry)
    assert ours == by_dvc
    assert (COMMITTED in ours) == (change == "none")


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
def test_any_file_gets_any_entry_as_dvc_writes_it(both, text: str, name: str) -> None:
    entry = {"cmd": ["one", "two\nlines"], "outs": [{"path": "x", "hash": "md5", "md5": "0", "size": 3}]}
    by_dvc, ours = both(text, name, entry)
    assert ours == by_dvc


def test_the_whole_committed_file_is_made_entry_by_entry() -> None:
    text = dvc_quick.HEAD
    entries = read_lock(ROOT)
    for name, entry in entries.items():
        text = dvc_quick.with_entry(text, {name: entry})
    assert text == dumps_yaml({"schema": "2.0", "stages": entries})


def test_a_stage_run_by_the_flow_is_recorded_as_dvc_does(project: Path, tmp_path: Path) -> None:
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("lr: 0.1", "lr: 0.2"))
    by_dvc = Path(shutil.copytree(project, tmp_path / "by_dvc", symlinks=True))
    before = (project / "dvc.lock").read_bytes()
    assert reproduce("train@tiny-0", project, print, Stop()) == "ran"
    dvc(by_dvc, "repro", "--single-item", "train@tiny-0")
    assert (project / "dvc.lock").read_bytes() == (by_dvc / "dvc.lock").read_bytes() != before
    assert not list(project.rglob("*.partial"))


def test_what_a_link_leads_to_is_written(project: Path, tmp_path: Path) -> None:
    real = tmp_path / "real.lock"
    shutil.move(project / "dvc.lock", real)
    (project / "dvc.lock").symlink_to(real)
    repo = Repo(str(project))
    (stage,) = [stage for stage in repo.index.stages if stage.addressing == "train@tiny-0"]
    before = real.read_text(encoding="utf-8")
    stage.cmd = "another"
    dvc_quick.dump_entries(stage.dvcfile._lockfile, [stage])
    assert (project / "dvc.lock").is_symlink()
    assert real.read_text(encoding="utf-8") != before
