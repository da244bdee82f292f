"""The result files and dvc.lock of a tiny experiment in the project's layout, written without DVC."""

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.io import paths
from pipeline.io.nets import DENSE, net_file

METHODS = ("cqp", "magnitude")
LEVELS = (0.5, 0.995)
STAGES = {
    "data@tiny": "data",
    "train@tiny-0": "train/seed0",
    "prune@tiny-cqp-0": "prune/cqp/seed0",
    "prune@tiny-magnitude-0": "prune/magnitude/seed0",
    "evaluate@tiny": "evaluate",
    "study@tiny-layers": "study/layers",
    "compare@tiny": "compare",
    "report@tiny": "report",
}
NETS = ("dense/seed0", *(f"{method}@{level}/seed0" for method in METHODS for level in ("0.50", "0.995")))
SERIES = ("cqp/seed0", "magnitude/seed0")
RUNS = sorted([*STAGES.values(), *NETS, *SERIES])
ACCURACY = {0.0: 0.9, 0.5: 0.875, 0.995: 0.625}


def make_project(root: Path) -> Path:
    """Write results, dvc.lock and matrix.yaml into `root`."""
    data, train = paths.data_folder("tiny"), paths.train_folder("tiny", 0)
    about = {"name": "tiny-images", "classes": 3, "splits": {"train": {"count": 7}}}
    _write(root / data / "dataset.safetensors", "pixels")
    _write(root / data / "dataset.json", json.dumps(about))
    _write(root / train / "model.safetensors", "dense")
    _write(root / train / "curve.csv", "epoch,loss,validation_accuracy\n1,0.75,0.5\n2,0.25,0.75\n")
    _write(root / train / "metrics.json", json.dumps({"validation_accuracy": 0.75}))
    for method in METHODS:
        folder = root / paths.prune_folder("tiny", method, 0)
        for level in LEVELS:
            _write(folder / "nets" / net_file(level), f"{method} {level}")
        _write(folder / "levels.csv", "protocol,level,validation_accuracy\nfair,0.5,0.8\nfair,0.995,0.6\n")
        _write(folder / "curve.csv", "epoch,loss,level\n1,0.5,0.5\n2,0.4,0.5\n3,0.9,0.995\n")
        _write(folder / "metrics.json", json.dumps({"validation_accuracy_at_0.50": 0.8}))
    table = root / paths.evaluate_table("tiny")
    table.parent.mkdir(parents=True)
    with table.open("w") as stream:
        writer = csv.DictWriter(stream, list(_row(DENSE, 0.0)))
        writer.writeheader()
        writer.writerows([_row(DENSE, 0.0), *(_row(method, level) for method in METHODS for level in LEVELS)])
    _write(root / paths.studies_folder("tiny", "layers") / "table.csv", "seed,layer,accuracy\n0,first,0.5\n")
    compare, report = root / paths.compare_folder("tiny"), root / paths.report_folder("tiny")
    _write(compare / "summary.json", json.dumps({"levels": [0.5]}))
    _write(compare / "figures" / "curve.svg", '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"/>')
    _write(compare / "metrics" / "cqp.json", json.dumps({"accuracy_at_0.50": 0.875}))
    _write(report / "index.html", "<p>report</p>")
    _write(report / "figures" / "layers.svg", "<svg/>")
    _write(report / "metrics" / "layers.json", json.dumps({"drop_first": 0.25}))
    stages: dict[str, Any] = {}
    for address in STAGES:
        stage, _, name = address.partition("@")
        stages.setdefault(stage, {})[name] = {"experiment": "tiny"}
    YAML().dump({"stages": stages}, root / "matrix.yaml")
    return lock(root)


def lock(root: Path) -> Path:
    """Write dvc.lock as the result files are; `train.lr` is what params.lr says, 0.1 without such a file."""
    lr = float((root / "params.lr").read_text()) if (root / "params.lr").is_file() else 0.1
    data, train = paths.data_folder("tiny"), paths.train_folder("tiny", 0)
    table, results = paths.evaluate_table("tiny"), paths.RESULTS / "tiny"
    dataset = data / "dataset.safetensors"
    nets = [paths.prune_folder("tiny", method, 0) for method in METHODS]

    def entry(command: str, deps: list[Path], outs: list[Path], **params: Any) -> dict[str, Any]:
        found = {"cmd": f"python -m {command}", "deps": [_hashed(root, path) for path in deps]}
        named = {f"experiments.tiny.{name}": block for name, block in params.items()}
        return found | {"params": {"params.yaml": named}, "outs": [_hashed(root, path) for path in outs]}

    trained = [train / name for name in ("curve.csv", "metrics.json", "model.safetensors")]
    entries = {
        "data@tiny": entry("data", [], [data / "dataset.json", dataset], data={"classes": 3}),
        "train@tiny-0": entry("train", [dataset], trained, train={"epochs": 2, "lr": lr}),
        "evaluate@tiny": entry("evaluate", [dataset, results / "prune", results / "train"], [table]),
        "study@tiny-layers": entry(
            "study", [], [paths.studies_folder("tiny", "layers") / "table.csv"], layers={"levels": [0.5]}
        ),
        "compare@tiny": entry(
            "compare", [table], [paths.compare_folder("tiny") / name for name in ("summary.json", "figures", "metrics")]
        ),
        "report@tiny": entry(
            "report", [table], [paths.report_folder("tiny") / name for name in ("index.html", "figures", "metrics")]
        ),
    }
    for method, folder in zip(METHODS, nets, strict=True):
        outs = [folder / name for name in ("curve.csv", "levels.csv", "metrics.json", "nets")]
        entries[f"prune@tiny-{method}-0"] = entry(
            f"prune {method}", [dataset, train / "model.safetensors"], outs, prune={"finetune": {"epochs": 2}}
        )
    yaml = YAML()
    yaml.representer.ignore_aliases = lambda _: True
    yaml.dump({"schema": "2.0", "stages": entries}, root / "dvc.lock")
    return root


def _row(method: str, level: float) -> dict[str, Any]:
    accuracy = ACCURACY[level]
    net = {"method": method, "seed": 0, "level": level, "sparsity": level, "nnz": 8}
    accuracies = {"accuracy_before": accuracy, "accuracy": accuracy, "one_shot_accuracy": accuracy / 2}
    return net | accuracies | {"energy_pj_loihi": 8.0, "energy_pj_horowitz_45nm_int8": 4.0}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _hashed(root: Path, path: Path) -> dict[str, str]:
    return {"path": path.as_posix(), "hash": "md5", "md5": _md5(root / path)}


def _md5(path: Path) -> str:
    if path.is_file():
        return hashlib.md5(path.read_bytes()).hexdigest()
    files = sorted((file.relative_to(path).as_posix(), file) for file in path.rglob("*") if file.is_file())
    listing = json.dumps([{"md5": _md5(file), "relpath": name} for name, file in files])
    return hashlib.md5(listing.encode()).hexdigest() + ".dir"
