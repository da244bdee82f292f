"""Resume points: found again only for the same settings, inputs and code, whole after a kill, cleared at the end."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from pipeline.io.resume import FOLDER, Resume, fingerprint
from snnprune.core.training.fit import ResumePoint


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """One input file in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    Path("dataset").write_bytes(b"images")
    return [Path("dataset")]


def module_at(name: str, path: Path) -> ModuleType:
    return importlib.util.module_from_spec(importlib.util.spec_from_file_location(name, path))


def test_the_same_run_has_the_same_fingerprint(inputs: list[Path]) -> None:
    settings = {"seed": 0, "train": {"lr": 0.1, "epochs": 2}}
    reordered = {"train": {"epochs": 2, "lr": 0.1}, "seed": 0}
    assert fingerprint(settings, inputs) == fingerprint(reordered, inputs)


def test_settings_inputs_and_torch_change_the_fingerprint(inputs: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    fingerprints = [fingerprint({"lr": 0.1}, inputs), fingerprint({"lr": 0.2}, inputs), fingerprint({"lr": 0.1}, [])]
    inputs[0].write_bytes(b"other images")
    fingerprints.append(fingerprint({"lr": 0.1}, inputs))
    monkeypatch.setattr(torch, "__version__", "0.0")
    fingerprints.append(fingerprint({"lr": 0.1}, inputs))
    assert len(set(fingerprints)) == 5


@pytest.mark.parametrize("key", ["pipeline.made_up", "__main__"])
def test_code_changes_the_fingerprint(inputs: list[Path], monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    source = Path("made_up.py")
    source.write_text("one = 1")
    without = fingerprint({}, inputs)
    # A stage run as `python -m pipeline.made_up` is found in sys.modules under `__main__`.
    monkeypatch.setitem(sys.modules, key, module_at("pipeline.made_up", source))
    first = fingerprint({}, inputs)
    source.write_text("one = 2")
    second = fingerprint({}, inputs)
    assert len({without, first, second}) == 3


def test_code_of_others_does_not(inputs: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path("made_up.py")
    source.write_text("one = 1")
    without = fingerprint({}, inputs)
    for name in ("made_up", "pipelines.made_up"):
        monkeypatch.setitem(sys.modules, name, module_at(name, source))
    assert fingerprint({}, inputs) == without


def test_state_comes_back_to_the_bit(tmp_path: Path) -> None:
    point = ResumePoint(tmp_path / "deep" / "state.pt")
    assert point.load() is None
    weight = torch.tensor([0.1, -0.0, float("nan")])
    point.save({"weight": weight, "epochs": [{"epoch": 1, "loss": 0.1}]})
    state = point.load()
    assert torch.equal(state["weight"].view(torch.int32), weight.view(torch.int32))
    assert state["epochs"] == [{"epoch": 1, "loss": 0.1}]
    point.save({"weight": None, "epochs": []})
    assert point.load() == {"weight": None, "epochs": []}


def test_a_kill_while_writing_leaves_the_older_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point = ResumePoint(tmp_path / "state.pt")
    point.save({"epoch": 1})

    def half_written(state: dict[str, int], path: Path) -> None:
        Path(path).write_bytes(b"PK half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(torch, "save", half_written)
        point.save({"epoch": 2})
    assert point.load() == {"epoch": 1}
    point.save({"epoch": 2})
    assert point.load() == {"epoch": 2}


def test_only_the_same_run_finds_its_points(inputs: list[Path]) -> None:
    Resume("train/digits/seed0", {"lr": 0.1}, inputs).point("dense").save({"epoch": 1})
    assert Resume("train/digits/seed0", {"lr": 0.1}, inputs).point("dense").load() == {"epoch": 1}
    assert Resume("train/digits/seed0", {"lr": 0.2}, inputs).point("dense").load() is None
    assert Resume("train/digits/seed0", {"lr": 0.1}, inputs).point("level").load() is None
    assert Resume("train/digits/seed1", {"lr": 0.1}, inputs).point("dense").load() is None


def test_clear_removes_outdated_points_of_this_stage_only(inputs: list[Path]) -> None:
    outdated = Resume("train/digits/seed0", {"lr": 0.1}, inputs).point("dense")
    current = Resume("train/digits/seed0", {"lr": 0.2}, inputs)
    other = Resume("train/digits/seed1", {"lr": 0.2}, inputs).point("dense")
    for point in (outdated, current.point("dense"), other):
        point.save({"epoch": 1})
    current.clear()
    assert outdated.load() is None
    assert current.point("dense").load() is None
    assert other.load() == {"epoch": 1}
    assert [path.name for path in FOLDER.rglob("*.pt")] == ["dense.pt"]
    current.clear()  # nothing left to remove is no error
