"""dvc.lock: the identity of a result, and content checks held against DVC's own hashes."""

from pathlib import Path

import pytest

from flows.engine.lockfile import key_of, read_lock
from pipeline.results.md5 import ContentChanged, require_content
from snnprune.core.errors import UserError


def test_without_a_lock_file_or_in_an_empty_one_there_is_nothing(tmp_path: Path) -> None:
    assert read_lock(tmp_path) == {}
    (tmp_path / "dvc.lock").touch()
    assert read_lock(tmp_path) == {}


@pytest.mark.parametrize("text", ["<<<<<<< HEAD\nstages:\n=======\n", "[a]", "stages: [\n"])
def test_a_damaged_one_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "dvc.lock").write_text(text)
    with pytest.raises(UserError, match=r"dvc.lock: not readable \(conflict markers of a merge\?\); mend it: "):
        read_lock(tmp_path)


def test_the_key_is_that_of_the_content_not_of_its_order() -> None:
    entry = {"cmd": "run", "outs": [{"path": "a", "md5": "1"}]}
    assert key_of(entry) == key_of(dict(reversed(entry.items())))
    assert key_of(entry) != key_of({"cmd": "run", "outs": [{"path": "a", "md5": "2"}]})
    assert len(key_of(entry)) == 32


def test_every_file_and_folder_has_the_hash_that_dvc_gave_it(project: Path) -> None:
    outs = [out for entry in read_lock(project).values() for out in entry["outs"]]
    assert any(out["md5"].endswith(".dir") for out in outs)
    for out in outs:
        require_content(project / out["path"], out["md5"])


def test_an_altered_folder_and_a_missing_file_are_named(project: Path) -> None:
    nets = "results/tiny/prune/cqp/seed0/nets"
    md5 = next(out["md5"] for out in read_lock(project)["prune@tiny-cqp-0"]["outs"] if out["path"] == nets)
    (project / nets / "level-0.50.safetensors").unlink()
    with pytest.raises(ContentChanged, match="nets differs"):
        require_content(project / nets, md5)
    with pytest.raises(ContentChanged, match="none is missing"):
        require_content(project / "none", md5)
