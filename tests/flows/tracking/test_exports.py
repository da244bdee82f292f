"""What was exported of a net is among the artifacts of that net's run, once, and no longer than it is current."""

from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from flows.engine.lockfile import key_of
from flows.tracking.tracking import Tracking
from pipeline.export.paths import export_table, exported_nets
from pipeline.results import md5
from tests.flows.conftest import store_of
from tests.flows.tracking.conftest import log, named

NET = "cqp@0.50/seed0"
OTHER = "dense/seed0"


def export(nets: dict[str, dict[str, str]], cmd: str = "export") -> dict[str, Any]:
    """Write files (net -> target/file -> content) as the stage does; their entry in dvc.lock."""
    folder, table = exported_nets("tiny"), export_table("tiny")
    for net, files in nets.items():
        for name, content in files.items():
            file = folder / net / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text("net,target\n" + "".join(f"{net},csr\n" for net in nets))
    outs = [
        {"path": folder.as_posix(), "md5": md5._folder_md5(folder)},
        {"path": table.as_posix(), "md5": md5._file_md5(table)},
    ]
    return {"cmd": cmd, "deps": [], "outs": outs}


def log_export(entry: dict[str, Any]) -> Tracking:
    tracking = Tracking(Path.cwd(), print)
    tracking.log("export@tiny", entry)
    tracking.summarize()
    return tracking


def artifacts(root: Path, net: str) -> list[str]:
    """The files below `export` of the net's run."""
    client, run = MlflowClient(store_of(root)), named(root, net).info.run_id
    targets = [entry.path for entry in client.list_artifacts(run, "export")]
    return sorted(file.path for target in targets for file in client.list_artifacts(run, target))


def test_files_of_a_net_are_in_its_run_and_the_table_in_the_stages(project: Path) -> None:
    log(project, "evaluate@tiny")
    entry = export({NET: {"csr/net.npz": "rows", "csr/card.json": "{}"}})
    assert log_export(entry).counts == {"logged": 1}
    assert artifacts(project, NET) == ["export/csr/card.json", "export/csr/net.npz"]
    assert artifacts(project, OTHER) == []
    assert named(project, NET).data.tags["exports"] == key_of(entry)
    table = MlflowClient(store_of(project)).list_artifacts(named(project, "export").info.run_id)
    assert [file.path for file in table] == ["table.csv"]


def test_they_are_uploaded_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log(project, "evaluate@tiny")
    entry = export({NET: {"csr/net.npz": "rows"}})
    log_export(entry)
    log(project, "data@tiny")  # so that the ledger must ask MLflow
    monkeypatch.setattr(MlflowClient, "log_artifacts", lambda *_: pytest.fail("uploaded again"))
    assert log_export(entry).counts == {"present": 1}


def test_another_result_takes_the_place_of_the_old_one(project: Path) -> None:
    log(project, "evaluate@tiny")
    log_export(export({NET: {"csr/net.npz": "rows"}, OTHER: {"csr/net.npz": "rows"}}))
    (exported_nets("tiny") / NET / "csr/net.npz").unlink()
    log_export(export({NET: {"c/snn.h": "arrays"}}, cmd="export anew"))
    assert artifacts(project, NET) == ["export/c/snn.h"]
    assert artifacts(project, OTHER) == []


def test_nets_that_are_logged_later_get_their_files_when_the_export_is_looked_at_again(project: Path) -> None:
    entry = export({NET: {"csr/net.npz": "rows"}})
    log_export(entry)
    log(project, "evaluate@tiny")
    for outcome in ("logged", "present"):
        assert log_export(entry).counts == {outcome: 1}
        assert artifacts(project, NET) == ["export/csr/net.npz"]


def test_files_that_dvc_lock_does_not_name_are_left_out(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log(project, "evaluate@tiny")
    entry = export({NET: {"csr/net.npz": "rows"}})
    (exported_nets("tiny") / NET / "csr/net.npz").write_text("other rows")
    assert log_export(entry).counts == {"left out": 1}
    assert "export@tiny is left out" in capsys.readouterr().out
    assert artifacts(project, NET) == []
