"""Hints in dvc.yaml: read, refused, and without effect on what DVC takes for done."""

from pathlib import Path

import pytest
from flows.graph import Pipeline
from flows.hints import HintError, Hints, hints_of
from flows.lockfile import read_lock

from tests.flows import foreign
from tests.flows.conftest import dvc


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DVC's addresses are relative to the working folder."""
    monkeypatch.chdir(tmp_path)


def test_what_they_are_without_any() -> None:
    assert hints_of("a", None) == hints_of("a", {"owner": "me"}) == Hints(timeout=None, retries=2, concurrency=None)


def test_they_are_read_from_dvc_yaml_and_change_no_result(tmp_path: Path) -> None:
    stage = "  a:\n    cmd: echo 1 > a.txt\n    outs: [a.txt]\n"
    root = foreign.make(tmp_path, stage)
    dvc(root, "repro", "-q")
    before = read_lock(root)
    hints = "    meta: {owner: me, flow: {timeout: 5.5, retries: 0, concurrency: gpu}}\n"
    (root / "dvc.yaml").write_text(f"stages:\n{stage}{hints}")
    (found,) = Pipeline(root).needed_for("a")
    assert found.hints == Hints(timeout=5.5, retries=0, concurrency="gpu")
    assert found.outs == ("a.txt",)
    assert foreign.run(root, "a")["a"].outcome == "unchanged"
    assert read_lock(root) == before


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"retry": 1}, "a: meta.flow.retry: unknown key; allowed here: timeout, retries, concurrency, at_once"),
        ({"timeout": 0}, "a: meta.flow.timeout: Input should be greater than 0; found 0"),
        ({"retries": "two"}, "a: meta.flow.retries: Input should be a valid integer; found 'two'"),
        ({"at_once": 0}, "a: meta.flow.at_once: Input should be greater than or equal to 1; found 0"),
        ("fast", "a: meta.flow: "),
    ],
)
def test_mistakes_are_named(found: object, message: str) -> None:
    with pytest.raises(HintError) as error:
        hints_of("a", {"flow": found})
    assert str(error.value).startswith(message)
