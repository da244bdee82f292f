"""Whose an export's folder is: what may be replaced, what is refused, and what an interrupted export leaves."""

import json
from pathlib import Path

import pytest

import snnprune
from pipeline.export import folder as exports
from pipeline.export.export import export
from snnprune.core.errors import UserError

FOLDER = Path("export/mine")


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two files of different nets with one name."""
    monkeypatch.chdir(tmp_path)
    for size, place in ((8, "a"), (6, "b")):
        Path(place).mkdir()
        snnprune.save(snnprune.build([16, size, 2]), Path(place) / "mine.safetensors")
    return ["a/mine.safetensors", "b/mine.safetensors"]


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_another_net_of_that_name_is_refused_before_anything_is_written(nets: list[str]) -> None:
    first, second = nets
    list(export(first, ["csr", "c"]))
    before = content(FOLDER)
    with pytest.raises(UserError, match=r"^export/mine/c: holds an export of another net, a/mine\.safetensors; remove"):
        list(export(second, ["compact", "c"]))
    assert content(FOLDER) == before
    list(export(second, ["compact", "c"], Path("other")))
    assert json.loads(Path("other/c/card.json").read_text())["command"] == (
        "snnprune export b/mine.safetensors --to c --out other"
    )


def test_the_same_file_replaces_its_export_from_wherever(nets: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    list(export(nets[0], ["c"]))
    before = content(FOLDER)
    (FOLDER / "c/snn").write_bytes(b"compiled")
    Path("a/mine.safetensors").write_bytes(Path("b/mine.safetensors").read_bytes())  # pruned anew
    monkeypatch.chdir("a")
    list(export("mine.safetensors", ["c"], Path("../export/mine")))
    monkeypatch.chdir("..")
    after = content(FOLDER)
    assert after["c/snn.h"] != before["c/snn.h"]
    assert after["c/snn"] == b"compiled"
    assert json.loads(after["c/card.json"])["command"] == (
        "snnprune export mine.safetensors --to c --out ../export/mine"
    )


@pytest.mark.parametrize("name", ["main.c", "card.json"])
def test_the_users_own_files_stay(nets: list[str], name: str) -> None:
    Path("firmware/c").mkdir(parents=True)
    Path("firmware/c", name).write_text('{"mine": 1}')
    message = f"^firmware/c: holds {name}, but no card.json that names the net of an export; remove the folder, or"
    with pytest.raises(UserError, match=message):
        list(export(nets[0], ["csr", "c"], Path("firmware")))
    assert content(Path("firmware")) == {f"c/{name}": b'{"mine": 1}'}


def test_a_file_in_the_folders_place_is_named(nets: list[str]) -> None:
    with pytest.raises(UserError, match=r"^a/mine\.safetensors: is a file, but a/mine\.safetensors/csr needs a"):
        list(export(nets[0], ["csr"], Path(nets[0])))


def test_an_interrupted_export_says_so_and_can_be_made_again(nets: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    list(export(nets[0], ["c"]))
    whole = content(FOLDER)
    Path("a/mine.safetensors").write_bytes(Path("b/mine.safetensors").read_bytes())
    replace = exports.replace

    def interrupted(path: Path, write: object) -> None:
        if path.name == "main.c":
            raise KeyboardInterrupt
        replace(path, write)

    with monkeypatch.context() as patch:
        patch.setattr(exports, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(export(nets[0], ["c"]))
    left = content(FOLDER)
    assert left["c/snn.h"] != whole["c/snn.h"]
    assert json.loads(left["c/card.json"]) == {"source": "../../../a/mine.safetensors", "unfinished": True}
    assert "c/README.md" not in left
    with pytest.raises(UserError, match="holds an export of another net, a/mine"):
        list(export(nets[1], ["c"]))
    list(export(nets[0], ["c"]))
    assert content(FOLDER).keys() == whole.keys()


def test_a_target_that_is_refused_leaves_nothing_of_the_others(nets: list[str]) -> None:
    pooled = snnprune.build("12x12-4C3-MP2-2")
    snnprune.save(pooled, Path("pooled.safetensors"))
    with pytest.raises(UserError, match="MaxPool2d|nir"):
        list(export("pooled.safetensors", ["csr", "nir", "c"]))
    assert not Path("export").exists()


def test_a_target_that_is_named_twice_is_written_once(nets: list[str]) -> None:
    assert len([line for line in export(nets[0], ["csr", "csr"]) if line.startswith("csr: ")]) == 1
