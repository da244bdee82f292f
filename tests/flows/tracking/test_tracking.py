"""Results in MLflow: what a run shows, and that there is exactly one per result whatever happened before."""

import json
import re
import subprocess
import threading
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from flows.engine.lockfile import key_of, read_lock
from flows.tracking.location import store_folder, store_uri
from flows.tracking.replay import track
from flows.tracking.store import Store
from flows.tracking.tracking import Tracking
from pipeline.pricing import energies_of
from snnprune.core.errors import UserError
from snnprune.energy.profiles import load_profiles
from tests.flows.conftest import dvc, store_of
from tests.flows.tracking.conftest import NETS, RUNS, SERIES, STAGES, log, named, search
from tests.tiny import run

NET = Path("results/tiny/prune/cqp/seed0/nets/level-0.50.safetensors")


def names(root: Path, query: str = "") -> list[str]:
    return sorted(run.info.run_name for run in search(root, query))


def test_every_stage_net_and_series_has_a_finished_current_run(tracked: Path) -> None:
    assert names(tracked) == names(tracked, "tags.current = 'true' and attributes.status = 'FINISHED'") == RUNS
    assert {run.info.run_name: run.data.tags["dvc_stage"] for run in search(tracked)} == {
        **{name: address for address, name in STAGES.items()},
        **dict.fromkeys([*NETS, *SERIES], "evaluate@tiny"),
    }


def test_the_receipt_names_the_key_of_every_result_with_its_weights(project: Path) -> None:
    keys = {name: key_of(entry) for name, entry in read_lock(project).items()}
    content = NET.read_bytes()
    NET.unlink()
    for expected in (keys.keys() - {"evaluate@tiny"}, keys.keys()):
        track("tiny", Path("receipt.json"))
        assert json.loads(Path("receipt.json").read_text()) == {name: keys[name] for name in sorted(expected)}
        NET.write_bytes(content)
    assert {run.data.tags["dvc_hash"] for run in search(project)} == set(keys.values())


def test_a_net_stands_under_evaluate_with_what_a_chart_needs(tracked: Path) -> None:
    net, series = named(tracked, "cqp@0.995/seed0"), named(tracked, "cqp/seed0")
    evaluate = named(tracked, "evaluate").info.run_id
    assert net.data.tags["mlflow.parentRunId"] == series.data.tags["mlflow.parentRunId"] == evaluate
    assert net.data.params == {"method": "cqp", "seed": "0", "level": "0.995"}
    assert series.data.params == {"method": "cqp", "seed": "0"}
    accuracies = {"sparsity": 0.995, "accuracy_before": 0.7, "accuracy": 0.8, "one_shot_accuracy": 0.6}
    counts = {"effective_macs": 6, "effective_macs_once": 2, "effective_acs": 7, "neuron_updates": 5}
    counts |= {"index_bits": 20, "index_bits_once": 12}
    energies = energies_of(counts, load_profiles())
    saved = {name: value for name, value in net.data.metrics.items() if name.startswith("energy_saved_")}
    assert net.data.metrics == pytest.approx(accuracies | counts | energies | saved)
    assert net.data.metrics["energy_once_pj_loihi"] == pytest.approx(9 * 23.6 + 5 * 81)
    assert named(tracked, "dense/seed0").data.params["level"] == "0.00"


def test_a_stage_shows_its_params_numbers_and_curves(tracked: Path) -> None:
    client = MlflowClient(store_of(tracked))

    def curve(name: str, metric: str) -> list[tuple[int, float]]:
        history = client.get_metric_history(named(tracked, name).info.run_id, metric)
        return [(point.step, point.value) for point in history]

    assert curve("train/seed0", "curve/loss") == [(1, 0.75), (2, 0.25)]
    assert curve("prune/cqp/seed0", "curve/loss") == [(1, 0.5), (2, 0.4), (3, 0.9), (4, 0.8)]
    assert curve("prune/cqp/seed0", "by_level/validation_accuracy") == [(500, 0.875), (995, 0.625)]
    assert curve("cqp/seed0", "by_level/accuracy") == [(500, 0.8), (995, 0.8)]
    prune = named(tracked, "prune/cqp/seed0").data
    blocks = {"prune.finetune.epochs": "2", "prune.levels": "[0.5, 0.995]"}
    assert prune.params == blocks | {"method": "cqp", "seed": "0"}
    assert prune.metrics["validation_accuracy_at_0.50"] == 0.875
    assert prune.metrics["validation_accuracy_at_0.995"] == 0.625
    assert named(tracked, "compare").data.metrics == {"cqp/accuracy_at_0.50": 0.875, "dense/accuracy": 0.9}
    assert named(tracked, "report").data.metrics == {"layers/drop_first": 0.25}
    study = named(tracked, "study/layers").data
    assert study.params == {"layers.levels": "[0.5]", "study": "layers"}


def test_tags_lead_back_to_dvc_and_git(tracked: Path) -> None:
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=tracked, text=True).strip()
    tags = named(tracked, "magnitude@0.50/seed0").data.tags
    expected = {
        "stage": "evaluate",
        "kind": "net",
        "dvc_stage": "evaluate@tiny",
        "dvc_cmd": "python stage.py evaluate tiny",
        "method": "magnitude",
        "seed": "0",
        "level": "0.50",
        "git_commit": commit,
        "git_dirty": "false",
    }
    assert {name: tags[name] for name in expected} == expected


@pytest.mark.parametrize(("changed", "dirty"), [("new.txt", "false"), ("matrix.yaml", "false"), ("stage.py", "true")])
def test_a_run_says_whether_the_code_differs_from_the_commit(project: Path, changed: str, dirty: str) -> None:
    with (project / changed).open("a") as stream:
        stream.write("# changed\n")
    log(project, "data@tiny")
    assert named(project, "data").data.tags["git_dirty"] == dirty


def test_what_a_run_removes_while_it_works_is_no_edit(project: Path) -> None:
    tracking = Tracking(project, print)
    (project / "stage.py").write_text("# edited since\n")
    entries = read_lock(project)
    tracking.log("data@tiny", entries["data@tiny"])
    assert named(project, "data").data.tags["git_dirty"] == "false"


def no_commit(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(project, "git", "update-ref", "-d", "HEAD")


def no_git(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(project))


def another_owner(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own


@pytest.mark.parametrize("change", [no_commit, no_git, another_owner])
def test_a_commit_that_git_does_not_tell_is_said_to_be_missing(project: Path, change, monkeypatch, capsys) -> None:
    change(project, monkeypatch)
    log(project, "data@tiny")
    assert "no git commit is noted with these results; `git log -1` says why" in capsys.readouterr().out
    assert "git_commit" not in named(project, "data").data.tags
    log(project, "data@tiny")
    assert "no git commit" not in capsys.readouterr().out


def test_a_detached_head_is_a_commit(project: Path, capsys) -> None:
    run(project, "git", "checkout", "--quiet", "--detach")
    log(project, "data@tiny")
    assert "no git commit" not in capsys.readouterr().out
    assert len(named(project, "data").data.tags["git_commit"]) == 40


def test_runs_are_found_by_the_md5_of_their_dataset(tracked: Path) -> None:
    md5 = next(out["md5"] for out in read_lock(tracked)["data@tiny"]["outs"] if out["path"].endswith(".safetensors"))
    readers = ["data", "prune/cqp/seed0", "prune/magnitude/seed0", "train/seed0"]
    assert names(tracked, f"dataset.digest = '{md5}'") == sorted([*readers, "evaluate", *NETS, *SERIES])
    assert named(tracked, "train/seed0").inputs.dataset_inputs[0].dataset.name == "tiny-images"


def test_tables_and_figures_can_be_read_back(tracked: Path, tmp_path: Path) -> None:
    run_id = named(tracked, "compare").info.run_id
    folder = Path(MlflowClient(store_of(tracked)).download_artifacts(run_id, "", str(tmp_path)))
    for name in ("summary.json", "figures/curve.svg", "metrics/cqp.json"):
        assert (folder / name).read_bytes() == (tracked / "results/tiny/compare" / name).read_bytes()


def test_a_run_whose_writer_was_killed_is_written_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "set_terminated", die)
        with pytest.raises(KeyboardInterrupt):
            log(project, "evaluate@tiny")
    assert search(project)
    assert log(project, "evaluate@tiny").counts == {"logged": 1}
    assert names(project) == sorted(["evaluate", *NETS, *SERIES])


def test_a_new_result_takes_over_from_the_old_one_and_back(project: Path) -> None:
    for lr, expected in (
        ("0.1", {"0.1": "true"}),
        ("0.2", {"0.1": "false", "0.2": "true"}),
        ("0.1", {"0.1": "true", "0.2": "false"}),
    ):
        params = Path("params.yaml")
        params.write_text(re.sub(r"lr: [\d.]+", f"lr: {lr}", params.read_text()))
        dvc(project, "repro", "-q", "train@tiny-0")
        log(project, "train@tiny-0")
        runs = search(project, "tags.dvc_stage = 'train@tiny-0'")
        assert {run.data.params["train.lr"]: run.data.tags["current"] for run in runs} == expected


def test_older_results_stay_and_are_not_read_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where somebody was killed who had changed what is current of a half of them."""
    written = sorted(["evaluate", *NETS, *SERIES])
    log(project, "evaluate@tiny")
    client = MlflowClient(store_of(project))
    for one in search(project):
        client.set_tag(one.info.run_id, "dvc_hash", "older")
        client.set_tag(one.info.run_id, "current", str(one.info.run_name == NETS[0]).lower())
    assert log(project, "evaluate@tiny").counts == {"logged": 1}
    assert names(project, "tags.dvc_hash = 'older' and tags.current = 'false'") == written
    assert names(project, "tags.dvc_hash != 'older' and tags.current = 'true'") == written

    fetched: list[Run] = []
    whole = mlflow.search_runs
    monkeypatch.setattr(mlflow, "search_runs", lambda *a, **k: fetched.extend(found := whole(*a, **k)) or found)
    track("tiny")
    assert {run.info.run_name for run in fetched} == set(RUNS)
    assert "older" not in {run.data.tags["dvc_hash"] for run in fetched}


def test_weights_that_come_later_are_added(project: Path) -> None:
    content = NET.read_bytes()
    NET.unlink()
    for models in ([0], [1]):
        for _ in range(2):
            log(project, "evaluate@tiny")
            assert [len(named(project, name).outputs.model_outputs) for name in NETS] == models * len(NETS)
        NET.write_bytes(content)
    assert len(search(project)) == len(["evaluate", *NETS, *SERIES])


@pytest.mark.parametrize("changed", ["results/tiny/evaluate/levels.csv", NET])
def test_files_that_dvc_lock_does_not_name_are_left_out(project: Path, changed: str, capsys) -> None:
    with Path(changed).open("a") as stream:
        stream.write("\n")
    track()
    assert names(project) == sorted(set(STAGES.values()) - {"evaluate"})
    assert "evaluate@tiny is left out" in capsys.readouterr().out


def test_hidden_files_beside_the_nets_change_nothing(project: Path) -> None:
    NET.with_name(".gitignore").touch()
    assert log(project, "evaluate@tiny").counts == {"logged": 1}


def test_threads_that_log_take_turns(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = read_lock(project)
    tracking = Tracking(project, print)
    second = threading.Thread(target=tracking.log, args=("train@tiny-0", entries["train@tiny-0"]))
    opened: list[Store] = []
    open_store = Store.__init__

    def open_while_another_logs(store: Store, *arguments: object) -> None:
        opened.append(store)
        if len(opened) == 1:
            second.start()
            second.join(timeout=0.5)  # it waits for its turn, or opens a second store
        open_store(store, *arguments)

    monkeypatch.setattr(Store, "__init__", open_while_another_logs)
    tracking.log("data@tiny", entries["data@tiny"])
    second.join()
    assert len(opened) == 1
    assert set(tracking.keys) == {"data@tiny", "train@tiny-0"}


def test_a_run_with_overrides_is_logged_apart(project: Path) -> None:
    log(project)
    for _ in range(2):
        tracking = Tracking(project, print, {"overrides": "train.lr=0.2"}, experiment_suffix=".overrides")
        tracking.log("data@tiny", read_lock(project)["data@tiny"])
        tracking.summarize()
    (run,) = search(project, experiment="tiny.overrides")
    assert (run.info.run_name, run.data.tags["overrides"]) == ("data", "train.lr=0.2")
    assert names(project) == RUNS


def test_an_unknown_experiment_or_a_missing_list_of_stages_is_an_error(project: Path) -> None:
    with pytest.raises(UserError, match="no results of experiment 'nope'; experiments with results: tiny"):
        track("nope")
    Path("matrix.yaml").unlink()
    with pytest.raises(UserError, match="matrix.yaml: no such file; `python -m pipeline.matrix` makes it"):
        track()


def test_results_of_stages_that_matrix_yaml_no_longer_has_are_not_logged(project: Path) -> None:
    text = Path("matrix.yaml").read_text().replace("tiny-magnitude-0", "tiny-other-0")
    Path("matrix.yaml").write_text(text)
    track()
    assert "prune/magnitude/seed0" not in names(project)


@pytest.mark.parametrize(
    ("given", "used", "folder"),
    [
        ("", "sqlite:///{root}/mlruns/mlflow.db", "mlruns"),
        ("sqlite:///kept/mine.db", "sqlite:///{root}/kept/mine.db", "kept"),
        ("sqlite:////kept/mine.db", "sqlite:////kept/mine.db", "/kept"),
        ("http://host:5000", "http://host:5000", "mlruns"),
        ("postgresql+psycopg://host/mlflow", "postgresql+psycopg://host/mlflow", "mlruns"),
    ],
)
def test_a_scheduled_run_uses_the_store_of_the_project(tmp_path: Path, monkeypatch, given, used, folder) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    worktree = tmp_path / ".worktrees/nightly"
    worktree.mkdir(parents=True)
    (worktree / ".git").touch()
    for root in (tmp_path, worktree):
        assert store_uri(root) == used.format(root=tmp_path)
        assert store_folder(root) == tmp_path / folder
