"""A tiny DVC project with trivial stages in our results layout, and a store that need not be migrated each time."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from flows.environment import set_defaults, stage_environment
from pipeline import matrix
from tests.imports import PROJECT
from tests.tiny import commit, run

set_defaults()

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

EXPERIMENT, RECEIPT = "${item.experiment}", "mlruns/tracked-${item.experiment}.json"
TRAIN, PRUNE = "train/seed${item.seed}", "prune/${item.method}/seed${item.seed}"
HEAVY = (".safetensors", "nets")  # what DVC keeps


def _stage(name: str, arguments: str, needs: str, params: str, **writes: str) -> dict[str, Any]:
    """One for each item of the matrix. Several words have spaces between them, and paths lie in the results."""
    values = [EXPERIMENT, *(f"${{item.{argument}}}" for argument in arguments.split())]
    folder = f"results/{EXPERIMENT}"
    outs = {
        kind: [{f"{folder}/{path}": {"cache": path.endswith(HEAVY)}} for path in paths.split()]
        for kind, paths in writes.items()
    }
    about = {
        "cmd": " ".join(["python stage.py", name, *values]),
        "deps": ["stage.py", *(f"{folder}/{path}" for path in needs.split())],
        "params": [f"experiments.{EXPERIMENT}.{block}" for block in params.split()],
    }
    return {name: {"foreach": f"${{stages.{name}}}", "do": about | outs}}


STAGES = {
    **_stage("data", "", "", "data", outs="data/dataset.safetensors data/dataset.json"),
    **_stage(
        *("train", "seed", "data/dataset.safetensors", "train"),
        outs=f"{TRAIN}/model.safetensors",
        plots=f"{TRAIN}/curve.csv",
        metrics=f"{TRAIN}/metrics.json",
    ),
    **_stage(
        *("prune", "method seed", f"data/dataset.safetensors {TRAIN}/model.safetensors", "prune"),
        outs=f"{PRUNE}/nets",
        plots=f"{PRUNE}/levels.csv {PRUNE}/curve.csv",
        metrics=f"{PRUNE}/metrics.json",
    ),
    **_stage("evaluate", "", "data/dataset.safetensors train prune", "", plots="evaluate/levels.csv"),
    **_stage("study", "study", "train", "${item.study}", plots="studies/${item.study}/table.csv"),
    **_stage(
        *("compare", "", "evaluate/levels.csv", ""),
        outs="compare/summary.json compare/figures",
        metrics="compare/metrics",
        plots="compare/comparison.csv",
    ),
    **_stage("report", "", "compare studies", "", outs="report/index.html", metrics="report/metrics"),
    "track": {
        "foreach": "${stages.track}",
        "do": {
            "cmd": f"python -m flows.tracking.replay {EXPERIMENT} --receipt {RECEIPT}",
            "deps": [f"results/{EXPERIMENT}/report"],
            "outs": [{RECEIPT: {"cache": False}}],
        },
    },
}
DVC_YAML = json.dumps({"vars": ["matrix.yaml"], "stages": STAGES})

STAGE = '''\
"""Writes files of the shape that the real stages write; no science."""
import json
import os
import sys
import time
from pathlib import Path

kind, experiment, *rest = sys.argv[1:]
results = Path("results", experiment)
print(f"{kind} at work", flush=True)
if Path(f"break-{kind}").exists():
    print("first line before the end", file=sys.stderr)
    sys.exit(f"{kind} is broken")
if Path(f"wait-{kind}").exists():
    Path("wait-pid.partial").write_text(str(os.getpid()))
    Path("wait-pid.partial").replace("wait-pid")
    time.sleep(600)
nets = [(path.name, level) for path in sorted(results.glob("prune/*")) for level in (0.5, 0.995)]
files = {
    "data": {
        "dataset.safetensors": "pixels",
        "dataset.json": {
            "name": "tiny-images", "classes": 3, "splits": {"train": {"count": 7, "per_class": [3, 2, 2]}}
        },
    },
    "train": {
        "model.safetensors": f"dense {rest}",
        "curve.csv": "epoch,loss,validation_accuracy\\n1,0.75,0.5\\n2,0.25,0.9\\n",
        "metrics.json": {"validation_accuracy": 0.9},
    },
    "prune": {
        **{f"nets/level-{level}.safetensors": f"{level} {rest}" for level in ("0.50", "0.995")},
        "levels.csv": "protocol,level,sparsity,validation_accuracy\\nfair,0.5,0.5,0.875\\nfair,0.995,0.9951,0.625\\n",
        "curve.csv": "epoch,loss,level\\n1,0.5,0.5\\n2,0.4,0.5\\n3,0.9,0.995\\n4,0.8,0.995\\n",
        "metrics.json": {"validation_accuracy_at_0.50": 0.875},
    },
    "evaluate": {
        "levels.csv": "method,seed,level,sparsity,accuracy_before,accuracy,one_shot_accuracy,"
        "effective_macs,effective_macs_once,effective_acs,neuron_updates,index_bits,index_bits_once\\n"
        "dense,0,0,0,0.9,0.9,0.9,9,3,8,5,0,0\\n"
        + "".join(f"{method},0,{level},{level},0.7,0.8,0.6,6,2,7,5,20,12\\n" for method, level in nets)
    },
    "study": {"table.csv": "seed,layer,accuracy\\n0,first,0.5\\n"},
    "compare": {
        "comparison.csv": "experiment,method,seed,level,keep,nnz,empty_layers,validation_accuracy,"
        "energy_once_pj_horowitz_45nm_fp32\\n"
        + "".join(
            f"{experiment},{method},{seed},{level},9,9,0,{accuracy - seed / 1000:.3f},{energy}\\n"
            for method, level, accuracy, energy in (
                ("dense", 0.0, 0.97, 100), ("cqp", 0.5, 0.968, 50), ("cqp", 0.995, 0.9, 5),
                ("magnitude", 0.5, 0.96, 40), ("magnitude", 0.995, 0.8, 4),
            )
            for seed in (0, 1, 2)
        ),
        "summary.json": {
            "experiment": experiment, "protocol": "fair", "synapses": 5, "seeds": [0], "baseline": None,
            "dense": {"n": 1, "mean": 0.9}, "results": [
                {"method": "cqp", "level": 0.5, "keep": 3, "nnz": [3], "empty_layers": 0, "margin": None}
                | {
                    name: {"n": 1, "mean": 0.5}
                    for name in (
                        "sparsity", "validation_accuracy", "accuracy_before", "accuracy", "one_shot_sparsity",
                        "one_shot_accuracy", "one_shot_compensated", "saved_energy",
                    )
                }
            ],
        },
        "figures/curve.svg": '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"/>',
        "metrics/dense.json": {"accuracy": 0.9},
        "metrics/cqp.json": {"accuracy_at_0.50": 0.875},
    },
    "report": {"index.html": "<p>report</p>", "metrics/layers.json": {"drop_first": 0.25}},
}
if kind in ("train", "prune"):
    rest[-1] = f"seed{rest[-1]}"
for name, content in files[kind].items():
    path = results.joinpath(kind.replace("study", "studies"), *rest, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
'''


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`store`: an empty migrated MLflow store; `fresh`: a project nothing was run in; `done`: one with all results."""
    from flows.tracking.store import Store

    folder = tmp_path_factory.mktemp("templates")
    root, store = folder / "fresh", folder / "store"
    store.mkdir()
    Store(store)
    root.mkdir()
    (root / "params.yaml").write_text(PARAMS)
    matrix.update(root / "params.yaml", root / "matrix.yaml")
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / "stage.py").write_text(STAGE)
    (root / ".gitignore").write_text("/mlruns/\n*.safetensors\nnets/\n/break-*\n/wait-*\n")
    run(root, "git", "init", "-q")
    dvc(root, "init", "-q")
    commit(root)
    shutil.copytree(store / "mlruns", root / "mlruns")
    shutil.copytree(root, folder / "done")
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
    done = run_dvc(root, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_dvc(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run DVC in the project, whether it succeeds or not."""
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=root, env=stage_environment(), capture_output=True, text=True)


def store_of(root: Path) -> str:
    """The URI of the project's MLflow store, whatever the environment says by now (MLflow itself sets it)."""
    return f"sqlite:///{root}/mlruns/mlflow.db"


def enter(template: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy a template project to `root` and make it the working folder."""
    shutil.copytree(template, root)
    monkeypatch.chdir(root)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return root


def toy(root: Path, stages: str, files: Mapping[str, str] | None = None) -> Path:
    """A DVC project without git that has these stages (YAML below `stages:`) and files, and nothing of ours."""
    root.mkdir(exist_ok=True)
    dvc(root, "init", "-q", "--no-scm")
    for name, text in {"dvc.yaml": f"stages:\n{stages}", **(files or {})}.items():
        (root / name).write_text(text)
    return root
