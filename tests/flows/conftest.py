"""A tiny DVC project with trivial stages in our results layout, and a store that need not be migrated each time."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import pytest

from flows.environment import set_defaults, stage_environment
from pipeline import matrix

set_defaults()

ROOT = Path(__file__).parents[2]

PARAMS = """\
matrix:
  tiny: {methods: [cqp, magnitude], seeds: [0]}
experiments:
  tiny:
    data: {classes: 3}
    train: {epochs: 2, lr: 0.1}
    prune: {levels: [0.5, 0.995], finetune: {epochs: 2}}
    layers: {levels: [0.5]}
"""

DVC_YAML = """\
vars:
  - matrix.yaml
stages:
  data:
    foreach: ${stages.data}
    do:
      cmd: python stage.py data ${item.experiment}
      deps: [stage.py]
      params:
        - experiments.${item.experiment}.data
      outs:
        - results/${item.experiment}/data/dataset.safetensors
        - results/${item.experiment}/data/dataset.json:
            cache: false
  train:
    foreach: ${stages.train}
    do:
      cmd: python stage.py train ${item.experiment} ${item.seed}
      deps:
        - stage.py
        - results/${item.experiment}/data/dataset.safetensors
      params:
        - experiments.${item.experiment}.train
      outs:
        - results/${item.experiment}/train/seed${item.seed}/model.safetensors
      plots:
        - results/${item.experiment}/train/seed${item.seed}/curve.csv:
            cache: false
      metrics:
        - results/${item.experiment}/train/seed${item.seed}/metrics.json:
            cache: false
  prune:
    foreach: ${stages.prune}
    do:
      cmd: python stage.py prune ${item.experiment} ${item.method} ${item.seed}
      deps:
        - stage.py
        - results/${item.experiment}/data/dataset.safetensors
        - results/${item.experiment}/train/seed${item.seed}/model.safetensors
      params:
        - experiments.${item.experiment}.prune
      outs:
        - results/${item.experiment}/prune/${item.method}/seed${item.seed}/nets
      plots:
        - results/${item.experiment}/prune/${item.method}/seed${item.seed}/levels.csv:
            cache: false
        - results/${item.experiment}/prune/${item.method}/seed${item.seed}/curve.csv:
            cache: false
      metrics:
        - results/${item.experiment}/prune/${item.method}/seed${item.seed}/metrics.json:
            cache: false
  evaluate:
    foreach: ${stages.compare}
    do:
      cmd: python stage.py evaluate ${item.experiment}
      deps:
        - stage.py
        - results/${item.experiment}/data/dataset.safetensors
        - results/${item.experiment}/train
        - results/${item.experiment}/prune
      plots:
        - results/${item.experiment}/evaluate/levels.csv:
            cache: false
  study:
    foreach:
      tiny-layers: {experiment: tiny, study: layers}
    do:
      cmd: python stage.py studies ${item.experiment} ${item.study}
      deps:
        - stage.py
        - results/${item.experiment}/train
      params:
        - experiments.${item.experiment}.${item.study}
      plots:
        - results/${item.experiment}/studies/${item.study}/table.csv:
            cache: false
  compare:
    foreach: ${stages.compare}
    do:
      cmd: python stage.py compare ${item.experiment}
      deps:
        - stage.py
        - results/${item.experiment}/evaluate
      outs:
        - results/${item.experiment}/compare/summary.json:
            cache: false
        - results/${item.experiment}/compare/figures:
            cache: false
      metrics:
        - results/${item.experiment}/compare/metrics:
            cache: false
  report:
    foreach: ${stages.report}
    do:
      cmd: python stage.py report ${item.experiment}
      deps:
        - stage.py
        - results/${item.experiment}/compare
        - results/${item.experiment}/studies
      outs:
        - results/${item.experiment}/report/index.html:
            cache: false
      metrics:
        - results/${item.experiment}/report/metrics:
            cache: false
  track:
    foreach: ${stages.track}
    do:
      cmd: >-
        python -m flows.tracking.replay ${item.experiment}
        --receipt mlruns/tracked-${item.experiment}.json
      deps:
        - results/${item.experiment}/report
      outs:
        - mlruns/tracked-${item.experiment}.json:
            cache: false
"""

STAGE = '''\
"""Writes files of the shape that the real stages write; no science."""
import hashlib
import json
import os
import sys
import time
from pathlib import Path

kind, experiment, *rest = sys.argv[1:]
seeds = [f"seed{seed}" for seed in rest[-1:]] if kind in ("train", "prune") else rest
folder = Path("results", experiment, kind, *rest[:-1], *seeds)
folder.mkdir(parents=True, exist_ok=True)
print(f"{kind} at work", flush=True)
if Path(f"break-{kind}").exists():
    print("first line before the end", file=sys.stderr)
    sys.exit(f"{kind} is broken")
if Path(f"wait-{kind}").exists():
    Path("wait-pid.partial").write_text(str(os.getpid()))
    Path("wait-pid.partial").replace("wait-pid")
    time.sleep(600)
if kind == "data":
    (folder / "dataset.safetensors").write_bytes(b"pixels")
    about = {"name": "tiny-images", "classes": 3, "splits": {"train": {"count": 7, "per_class": [3, 2, 2]}}}
    (folder / "dataset.json").write_text(json.dumps(about))
if kind == "train":
    (folder / "model.safetensors").write_bytes(f"dense {rest}".encode())
    (folder / "curve.csv").write_text("epoch,loss,validation_accuracy\\n1,0.75,0.5\\n2,0.25,0.9\\n")
    (folder / "metrics.json").write_text(json.dumps({"validation_accuracy": 0.9}))
if kind == "prune":
    (folder / "nets").mkdir()
    for level in ("0.50", "0.995"):
        (folder / "nets" / f"level-{level}.safetensors").write_bytes(f"{level} {rest}".encode())
    (folder / "levels.csv").write_text(
        "protocol,level,sparsity,validation_accuracy\\nfair,0.5,0.5,0.875\\nfair,0.995,0.9951,0.625\\n"
    )
    (folder / "curve.csv").write_text("epoch,loss,level\\n1,0.5,0.5\\n2,0.4,0.5\\n3,0.9,0.995\\n4,0.8,0.995\\n")
    (folder / "metrics.json").write_text(json.dumps({"validation_accuracy_at_0.50": 0.875}))
if kind == "evaluate":
    methods = sorted(path.name for path in Path("results", experiment, "prune").iterdir())
    rows = [f"{method},0,{level},{level},0.7,0.8,0.6,8,4" for method in methods for level in (0.5, 0.995)]
    columns = "method,seed,level,sparsity,accuracy_before,accuracy,one_shot_accuracy"
    energies = "energy_pj_loihi,energy_pj_horowitz_45nm_int8"
    (folder / "levels.csv").write_text("\\n".join([f"{columns},{energies}", "dense,0,0,0,0.9,0.9,0.9,9,8", *rows, ""]))
if kind == "studies":
    (folder / "table.csv").write_text("seed,layer,accuracy\\n0,first,0.5\\n")
if kind == "compare":
    (folder / "summary.json").write_text(json.dumps({"levels": [0.5]}))
    (folder / "figures").mkdir()
    (folder / "figures" / "curve.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"/>')
    (folder / "metrics").mkdir()
    (folder / "metrics" / "dense.json").write_text(json.dumps({"accuracy": 0.9}))
    (folder / "metrics" / "cqp.json").write_text(json.dumps({"accuracy_at_0.50": 0.875}))
if kind == "report":
    (folder / "index.html").write_text("<p>report</p>")
    (folder / "metrics").mkdir()
    (folder / "metrics" / "layers.json").write_text(json.dumps({"drop_first": 0.25}))
'''


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`store`: an empty migrated MLflow store; `fresh`: a project nothing was run in; `done`: one with all results."""
    folder = tmp_path_factory.mktemp("templates")
    _make_store(folder / "store")
    _make_project(folder / "fresh", folder / "store")
    shutil.copytree(folder / "fresh", folder / "done")
    dvc(folder / "done", "repro", "-q", "report@tiny")
    return folder


@pytest.fixture
def fresh(templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in which nothing has been run yet, as the working folder, with an empty MLflow store."""
    return enter(templates / "fresh", tmp_path / "project", monkeypatch)


@pytest.fixture
def project(templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the results of all stages but `track`, as the working folder, with an empty MLflow store."""
    return enter(templates / "done", tmp_path / "project", monkeypatch)


def dvc(root: Path, *arguments: str) -> str:
    """Run DVC in the project; what it printed. A failing one fails the test."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=root, env=stage_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def git(root: Path, *arguments: str) -> None:
    """Run git in the project."""
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True)


def store_of(root: Path) -> str:
    """The URI of the project's MLflow store, whatever the environment says by now (MLflow itself sets it)."""
    return f"sqlite:///{root}/mlruns/mlflow.db"


def enter(template: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy a template project to `root` and make it the working folder."""
    shutil.copytree(template, root)
    monkeypatch.chdir(root)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return root


def toy(root: Path, stages: str, files: Mapping[str, str] | None = None) -> Path:
    """A DVC project without git that has these stages (YAML below `stages:`) and files, and nothing of ours."""
    root.mkdir(exist_ok=True)
    dvc(root, "init", "-q", "--no-scm")
    for name, text in {"dvc.yaml": f"stages:\n{stages}", **(files or {})}.items():
        (root / name).write_text(text)
    return root


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead but that nobody has waited for does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Whether the condition comes true in that time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def _make_store(folder: Path) -> None:
    from flows.tracking.store import Store

    folder.mkdir()
    Store(folder)


def _make_project(root: Path, store: Path) -> None:
    root.mkdir()
    (root / "params.yaml").write_text(PARAMS)
    matrix.update(root / "params.yaml", root / "matrix.yaml")
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / "stage.py").write_text(STAGE)
    (root / ".gitignore").write_text("/mlruns/\n*.safetensors\nnets/\n/break-*\n/wait-*\n")
    git(root, "init", "-q")
    dvc(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "Start")
    shutil.copytree(store / "mlruns", root / "mlruns")
