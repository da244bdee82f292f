"""Results in MLflow: what a run shows, and that there is exactly one per result whatever happened before."""

import json
import shutil
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from flows.lockfile import key_of, read_lock
from flows.results import place_of
from flows.store_place import store_folder
from flows.tracker import Tracker
from flows.tracking import Tracking, main
from tests.flows.conftest import dvc, enter, store_of
from tests.imports import imported_files

PARENTS = {
    "compare",
    "data",
    "train/seed0",
    "prune/cqp/seed0",
    "prune/magnitude/seed0",
    "layers",
}
CHILDREN = {"cqp@0.50/seed0", "cqp@0.995/seed0", "magnitude@0.50/seed0", "magnitude@0.995/seed0"}


@pytest.fixture(scope="module")
def tracked(templates: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose results have all been shown in MLflow; only to be looked at."""
    root = tmp_path_factory.mktemp("tracked") / "project"
    with pytest.MonkeyPatch.context() as patched:
        enter(templates / "done", root, patched)
        assert main([]) == 0
    return root


def search(root: Path, query: str = "") -> list[Run]:
    client = MlflowClient(store_of(root))
    found = client.get_experiment_by_name("tiny")
    return client.search_runs([found.experiment_id], query) if found else []


def named(root: Path, name: str) -> Run:
    (run,) = [run for run in search(root) if run.info.run_name == name]
    return run


def test_every_result_and_every_level_has_a_finished_current_run(tracked: Path) -> None:
    runs = search(tracked)
    assert Counter(run.info.run_name for run in runs) == Counter(PARENTS | CHILDREN)
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert {run.data.tags["current"] for run in runs} == {"true"}


def test_a_second_replay_adds_nothing_and_says_so(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    before = {run.info.run_id for run in search(project)}
    capsys.readouterr()
    main([])
    assert {run.info.run_id for run in search(project)} == before
    assert capsys.readouterr().out == "tracking: 0 results logged, 6 already there; `make ui` opens MLflow\n"


def test_a_deleted_store_is_filled_again_by_dvc_without_recomputing(project: Path) -> None:
    dvc(project, "repro", "track@tiny")
    receipt = (project / "mlruns/tracked-tiny.json").read_bytes()
    shutil.rmtree(project / "mlruns")
    output = dvc(project, "repro", "track@tiny")
    assert "6 results logged, 0 already there" in output
    assert "at work" not in output
    assert len(search(project)) == len(PARENTS | CHILDREN)
    assert (project / "mlruns/tracked-tiny.json").read_bytes() == receipt


def test_the_receipt_names_the_key_of_every_stage(project: Path) -> None:
    main(["--experiment", "tiny", "--receipt", "receipt.json"])
    entries = read_lock(project)
    assert json.loads(Path("receipt.json").read_text()) == {name: key_of(entry) for name, entry in entries.items()}
    assert {run.data.tags["dvc_hash"] for run in search(project)} == {key_of(entry) for entry in entries.values()}


def test_a_result_shown_without_its_weights_is_not_on_the_receipt(project: Path) -> None:
    (project / "results/tiny/train/seed0/model.safetensors").unlink()
    tracking = Tracking(project, print)
    for address, entry in read_lock(project).items():
        tracking.track(address, entry)
    assert "train@tiny-0" not in tracking.keys
    assert "data@tiny" in tracking.keys


def test_children_stand_under_their_stage_with_what_a_chart_needs(tracked: Path) -> None:
    parent = named(tracked, "prune/cqp/seed0")
    child = named(tracked, "cqp@0.995/seed0")
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.data.params == {"protocol": "fair", "method": "cqp", "seed": "0", "level": "0.995"}
    assert (child.data.metrics["sparsity"], child.data.metrics["accuracy"]) == (0.9951, 0.625)
    assert parent.data.params["prune.finetune.epochs"] == "2"
    assert parent.data.params["prune.levels"] == "[0.5, 0.995]"
    assert parent.data.metrics["accuracy_at_0.5"] == 0.875


def test_curves_have_steps_and_a_child_only_its_own(tracked: Path) -> None:
    client = MlflowClient(store_of(tracked))

    def curve(name: str, metric: str) -> list[tuple[int, float]]:
        history = client.get_metric_history(named(tracked, name).info.run_id, metric)
        return [(point.step, point.value) for point in history]

    assert curve("train/seed0", "curve/loss") == [(1, 0.75), (2, 0.25)]
    assert curve("cqp@0.50/seed0", "curve/loss") == [(1, 0.5), (2, 0.4)]
    assert curve("cqp@0.995/seed0", "curve/loss") == [(3, 0.9), (4, 0.8)]
    assert curve("prune/cqp/seed0", "by_level/accuracy") == [(500, 0.875), (995, 0.625)]


def test_tags_lead_back_to_dvc_and_git(tracked: Path) -> None:
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=tracked, text=True).strip()
    tags = named(tracked, "magnitude@0.50/seed0").data.tags
    expected = {
        "stage": "prune",
        "dvc_stage": "prune@tiny-magnitude-0",
        "method": "magnitude",
        "seed": "0",
        "level": "0.50",
        "git_commit": commit,
        "git_dirty": "false",
        "dvc_cmd": "python stage.py prune tiny magnitude 0",
    }
    assert {name: tags[name] for name in expected} == expected


def test_a_tracked_file_that_differs_from_the_commit_is_told(project: Path) -> None:
    (project / "untracked.txt").touch()
    show(project, "data@tiny")
    assert named(project, "data").data.tags["git_dirty"] == "false"
    (project / "stage.py").write_text("# changed")
    show(project, "train@tiny-0")
    assert named(project, "train/seed0").data.tags["git_dirty"] == "true"


def test_the_comparison_has_the_metrics_of_each_method(tracked: Path) -> None:
    assert named(tracked, "compare").data.metrics == {"cqp/accuracy_at_0.5": 0.875, "dense/accuracy": 0.9}


def test_a_study_shows_the_metrics_of_its_summary_and_its_files(tracked: Path, tmp_path: Path) -> None:
    run = named(tracked, "layers")
    assert run.data.metrics == {"drop_first": 0.25, "layers": 2.0}
    assert run.data.params == {
        "layers.levels": "[0.5]",
        "matrix.methods": '["cqp", "magnitude"]',
        "matrix.seeds": "[0]",
    }
    assert (run.data.tags["stage"], run.data.tags["dvc_stage"]) == ("layers", "layers@tiny")
    folder = Path(MlflowClient(store_of(tracked)).download_artifacts(run.info.run_id, "", str(tmp_path)))
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {"table.csv", "summary.json", "figures/layers.svg"}


def test_runs_are_found_by_the_md5_of_their_dataset(tracked: Path) -> None:
    md5 = next(out["md5"] for out in read_lock(tracked)["data@tiny"]["outs"] if out["path"].endswith(".safetensors"))
    found = {run.info.run_name for run in search(tracked, f"dataset.digest = '{md5}'")}
    assert found == (PARENTS | CHILDREN) - {"compare", "layers"}
    assert named(tracked, "train/seed0").inputs.dataset_inputs[0].dataset.name == "tiny-images"


def test_tables_and_figures_can_be_read_back(tracked: Path, tmp_path: Path) -> None:
    client = MlflowClient(store_of(tracked))
    run_id = named(tracked, "compare").info.run_id
    folder = Path(client.download_artifacts(run_id, "", str(tmp_path)))
    logged = (folder / "figures/curve.svg").read_bytes()
    assert logged == (tracked / "results/tiny/compare/figures/curve.svg").read_bytes()
    assert json.loads((folder / "summary.json").read_text()) == {"levels": [0.5]}


def test_a_run_left_half_written_is_written_again(project: Path) -> None:
    main([])
    client = MlflowClient(store_of(project))
    broken = named(project, "prune/cqp/seed0").info.run_id
    client.update_run(broken, status="RUNNING")
    client.delete_run(named(project, "cqp@0.50/seed0").info.run_id)
    main([])
    runs = search(project)
    assert Counter(run.info.run_name for run in runs) == Counter(PARENTS | CHILDREN)
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert broken not in {run.info.run_id for run in runs}


def test_a_run_whose_writer_was_killed_is_written_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    address = "prune@tiny-cqp-0"
    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "set_terminated", die)
        with pytest.raises(KeyboardInterrupt):
            show(project, address)
    assert len(search(project)) > 0
    assert show(project, address)[0] == "logged"
    assert Counter(run.info.run_name for run in search(project)) == Counter(
        ["prune/cqp/seed0", "cqp@0.50/seed0", "cqp@0.995/seed0"]
    )


def test_a_new_result_takes_over_from_the_old_one_and_back(project: Path) -> None:
    main([])
    _rerun_with(project, "lr: 0.1", "lr: 0.2")
    main([])
    by_lr = {run.data.params["train.lr"]: run.data.tags["current"] for run in _trains(project)}
    assert by_lr == {"0.1": "false", "0.2": "true"}
    _rerun_with(project, "lr: 0.2", "lr: 0.1")
    main([])
    by_lr = {run.data.params["train.lr"]: run.data.tags["current"] for run in _trains(project)}
    assert by_lr == {"0.1": "true", "0.2": "false"}


def test_weights_that_come_later_are_added(project: Path) -> None:
    weights = project / "results/tiny/train/seed0/model.safetensors"
    content = weights.read_bytes()
    weights.unlink()
    main([])
    assert named(project, "train/seed0").outputs.model_outputs == []
    weights.write_bytes(content)
    main([])
    assert len(named(project, "train/seed0").outputs.model_outputs) == 1


def test_files_that_dvc_lock_does_not_name_are_left_out(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "results/tiny/train/seed0/metrics.json").write_text('{"accuracy": 1.0}')
    assert main([]) == 0
    assert "train/seed0" not in {run.info.run_name for run in search(project)}
    assert "train@tiny-0 is left out" in capsys.readouterr().out


def test_threads_that_track_take_turns(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = read_lock(project)
    tracking = Tracking(project, print)
    second = threading.Thread(target=tracking.track, args=("train@tiny-0", entries["train@tiny-0"]))
    opened: list[Tracker] = []
    open_store = Tracker.__init__

    def open_while_another_tracks(tracker: Tracker, *arguments: object) -> None:
        opened.append(tracker)
        if len(opened) == 1:
            second.start()
            second.join(timeout=0.5)  # it waits for its turn, or opens a second store
        open_store(tracker, *arguments)

    monkeypatch.setattr(Tracker, "__init__", open_while_another_tracks)
    tracking.track("data@tiny", entries["data@tiny"])
    second.join()
    assert len(opened) == 1
    assert set(tracking.keys) == {"data@tiny", "train@tiny-0"}


def test_an_unknown_experiment_lists_the_choices(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--experiment", "nope"]) == 1
    assert capsys.readouterr().err == (
        "error: dvc.lock has no results of experiment 'nope'; experiments with results: tiny\n"
    )


SERVE = """
import sys
import mlflow.pyfunc
import numpy as np
model, images, counts = sys.argv[1:]
np.save(counts, mlflow.pyfunc.load_model(model).predict(np.load(images)))
"""


def test_a_logged_network_predicts_anywhere_like_the_one_on_disk(project: Path, tmp_path: Path, monkeypatch) -> None:
    import torch

    from snnprune.snn.checkpoint import load_network, save_network
    from snnprune.snn.network import build_network
    from snnprune.snn.params import ModelParams

    model = {"layers": [4, 16, 2], "beta": 0.9, "threshold": 0.1, "timesteps": 5, "encoding": {"name": "direct"}}
    weights = project / "results/tiny/train/seed0/model.safetensors"
    torch.manual_seed(0)  # one that spikes
    save_network(weights, build_network(ModelParams.model_validate(model)))
    dvc(project, "commit", "-f", "-q", "train@tiny-0")
    show(project, "train@tiny-0")
    model = tmp_path / "elsewhere/model"
    shutil.copytree(model_of(project, "train/seed0"), model)
    images = np.random.default_rng(0).random((6, 1, 2, 2), dtype=np.float32)
    np.save(model.with_name("images.npy"), images)
    monkeypatch.delenv("PYTHONPATH")
    command = [sys.executable, "-c", SERVE, "model", "images.npy", "counts.npy"]
    subprocess.run(command, cwd=model.parent, check=True)
    counts = np.load(model.with_name("counts.npy"))
    assert counts.shape == (6, 2)
    np.testing.assert_array_equal(counts, load_network(weights)(torch.as_tensor(images)).detach().numpy())
    assert counts.sum() > 0


def test_a_model_carries_the_code_it_needs_and_no_more(tracked: Path) -> None:
    code = model_of(tracked, "train/seed0") / "code"
    carried = {path.relative_to(code) for path in code.rglob("*") if path.is_file()}
    needed = imported_files("flows.served_model") - {Path("flows/served_model.py")}
    inert = {Path("pipeline/__init__.py"), Path("snnprune/snn/__init__.py")}
    assert carried - inert == needed


def show(root: Path, address: str, tracker: Tracker | None = None) -> str:
    """Track the result of one stage; what was done."""
    entry = read_lock(root)[address]
    return (tracker or Tracker(root)).track(address, place_of(entry), entry)


def model_of(root: Path, name: str) -> Path:
    """The folder of the model that a run logged."""
    (output,) = named(root, name).outputs.model_outputs
    model = MlflowClient(store_of(root)).get_logged_model(output.model_id)
    return Path(model.artifact_location.removeprefix("file://"))


def _rerun_with(project: Path, old: str, new: str) -> None:
    params = project / "params.yaml"
    params.write_text(params.read_text().replace(old, new))
    dvc(project, "repro", "-q", "train@tiny-0")


def _trains(project: Path) -> list[Run]:
    return search(project, "tags.dvc_stage = 'train@tiny-0'")


def test_files_of_a_scheduled_run_lie_in_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worktree = tmp_path / ".worktrees/nightly"
    monkeypatch.setenv("SNN_PROJECT", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://host/mlflow")
    assert store_folder(worktree) == tmp_path / "mlruns"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/elsewhere/mlflow.db")
    assert store_folder(worktree) == tmp_path / "elsewhere"
    monkeypatch.delenv("SNN_PROJECT")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert store_folder(tmp_path) == tmp_path / "mlruns"
