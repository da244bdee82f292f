"""The command `snnprune export` and the stage: which nets they find, what they write, how they refuse."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch

import snnprune
from pipeline.export.export import export
from pipeline.export.find import find
from pipeline.io import paths
from pipeline.stages import export as stage
from snnprune.core.errors import UserError
from snnprune.core.schema import ParamsError
from snnprune.export import c
from tests.pipeline.studies.made import write_params

NET = "tiny/cqp@0.50/seed1"


def test_a_net_of_the_project_is_measured_on_its_test_split(project: Path) -> None:
    (line,) = export(NET, ["csr"], Path("out"))
    assert line.startswith("csr: out/csr: net.npz, net.safetensors, read_csr.py, README.md, card.json; ")
    card = json.loads((project / "out/csr/card.json").read_text())
    row = pd.read_csv(paths.evaluate_table("tiny")).set_index(["method", "level", "seed"]).loc[("cqp", 0.5, 1)]
    assert (card["net"], card["command"]) == (NET, f"snnprune export {NET} --to csr --out out")
    assert (card["accuracy"]["net"], card["accuracy"]["seeds"]) == (row["accuracy"], 2)
    assert (card["nnz"], card["sparsity"]) == (row["nnz"], pytest.approx(row["sparsity"]))
    assert f"; 0 of 30 decisions differ, spike counts of 0; accuracy {100 * row['accuracy']:.2f} %" in line
    assert card["operations"]["effective_acs"] == row["effective_acs"]
    assert card["data"] == json.loads((project / "results/tiny/data/dataset.json").read_text())["name"]


def test_files_lie_under_the_nets_name_a_folder_for_each_target(project: Path) -> None:
    assert len(list(export("tiny/dense/seed0", ["state-dict", "compact"], license="mit"))) == 2
    folder = project / "export/tiny/dense/seed0"
    assert snnprune.load(folder / "compact/model.safetensors").spec.timesteps == 5
    assert torch.load(folder / "state-dict/weights.pt", weights_only=True)
    assert "--license mit" in (folder / "compact/README.md").read_text()


def test_a_file_needs_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    snnprune.save(snnprune.build([16, 8, 2]), tmp_path / "mine.safetensors")
    (line,) = export(str(tmp_path / "mine.safetensors"), ["compact"])
    assert line.startswith("compact: export/mine/compact: model.safetensors, README.md, card.json; ")
    card = json.loads((tmp_path / "export/mine/compact/card.json").read_text())
    assert card["command"] == "snnprune export mine.safetensors --to compact"
    assert card["data"] is card["accuracy"] is card["differences"] is None


def test_what_cannot_be_run_here_is_written_and_said(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    c._compiled.cache_clear()
    list(export(NET, ["c"], Path("out")))
    assert "differences from the network are not measured: no C compiler" in (project / "out/c/README.md").read_text()


@pytest.mark.parametrize(
    ("net", "message"),
    [
        ("none.safetensors", "none.safetensors: no such file"),
        (
            "cqp@0.50/seed0",
            r"neither a file .safetensors, nor a level .* nor a net of a project.*experiments with results: tiny",
        ),
        ("tiny", "neither a file"),
        ("tiny/cqp@0.51/seed0", r"tiny: no net 'cqp@0.51/seed0'; there are: dense/seed0, .*cqp@0.50/seed0"),
    ],
)
def test_a_net_that_is_not_there(project: Path, net: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        find(net)


def test_an_unknown_target_stops_before_anything_is_written(project: Path) -> None:
    with pytest.raises(UserError, match="unknown target 'tflite'"):
        list(export(NET, ["csr", "tflite"], Path("out")))
    assert not (project / "out").exists()


def test_the_stage_writes_what_the_block_asks_for_and_nothing_else(project: Path) -> None:
    write_params(("export", {"targets": ["csr", "compact"], "nets": ["cqp@0.90", "dense/seed1"]}))
    stage.main(["tiny"])
    table = pd.read_csv(project / "results/tiny/export/table.csv")
    nets = ["dense/seed1", "cqp@0.90/seed0", "cqp@0.90/seed1"]
    assert table["net"].tolist() == [net for net in nets for _ in range(2)]
    assert (table["decisions"].max(), table["samples"].min()) == (0, 30)
    folder = project / "results/tiny/export/nets"
    assert {path.parent.relative_to(folder).as_posix() for path in folder.rglob("card.json")} == {
        f"{net}/{target}" for net in nets for target in ("csr", "compact")
    }
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    stage.main(["tiny"])
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    write_params(("export", {"targets": ["csr"], "nets": ["dense/seed1"]}))
    stage.main(["tiny"])
    assert [path.parent.parent.name for path in folder.rglob("card.json")] == ["seed1"]


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (
            {"targets": ["tflite"], "nets": ["dense"]},
            "export.targets: unknown target 'tflite'; available are: state-dict",
        ),
        (
            {"targets": ["csr"], "nets": ["cqp@0.90/seed7"]},
            "export.nets: no net 'cqp@0.90/seed7'; there are: dense, cqp@0.50, .*, of seeds 0, 1$",
        ),
        ({"targets": ["csr", "csr"], "nets": ["dense"]}, "export.targets: entries must differ"),
    ],
)
def test_a_block_that_is_wrong(project: Path, block: dict, message: str) -> None:
    write_params(("export", block))
    with pytest.raises(ParamsError, match=message):
        stage.main(["tiny"])


@pytest.mark.parametrize(("target", "bits"), [("c-int8", 8), ("c-int4", 4)])
def test_a_fine_tuned_net_is_that_of_the_study(project: Path, target: str, bits: int) -> None:
    list(export("tiny/cqp@0.90/seed1", [target], tuned=True))
    card = json.loads((project / f"export/tiny/cqp@0.90/seed1/{target}-tuned/card.json").read_text())
    table = pd.read_csv(paths.table_file("tiny", "quantise"))
    (row,) = table.query("method == 'cqp' and level == 0.9 and seed == 1 and bits == @bits and finetuned").itertuples()
    found = card["differences"]
    assert (found["accuracy"], found["decisions"] / found["samples"]) == (row.accuracy, row.differing)
    assert card["command"] == f"snnprune export tiny/cqp@0.90/seed1 --to {target} --tuned"
    assert card["about"]["notes"][0] == f"fine-tuned with weights of {bits} bits (epochs: 1), one scale a {row.per}"


@pytest.mark.parametrize(
    ("net", "target", "quantise", "message"),
    [
        (NET, "csr", {"finetune": None}, "--tuned is of the targets c-int8 and c-int4; found csr"),
        ("mine.safetensors", "c-int8", {"finetune": None}, "mine: --tuned needs a net of a project"),
        (NET, "c-int8", {}, "experiments.tiny.quantise.finetune: missing; --tuned fine-tunes as it says"),
        (NET, "c-int8", None, "experiments.tiny.quantise: missing; there are: data, "),
    ],
)
def test_what_cannot_be_fine_tuned(project: Path, net: str, target: str, quantise: dict | None, message: str) -> None:
    snnprune.save(snnprune.build([16, 8, 2]), project / "mine.safetensors")
    write_params(("quantise", quantise))
    with pytest.raises(UserError, match=message):
        list(export(net, [target], Path("out"), tuned=True))
    assert not (project / "out").exists()
