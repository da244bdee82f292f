"""Reads a stage's result files into what its MLflow runs show: one run a stage, and under `evaluate` one a net.

Everything comes from the stage's dvc.lock entry and the files it lists as outputs (`pipeline.io.paths` says where they
lie). By name: `metrics.json` and `dataset.json` are flat numbers, `metrics/<name>.json` the same for one method or
study each, `curve.csv` has one row per epoch, `levels.csv` one per level, and in `evaluate` one per net.
"""

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.engine.lockfile import Entry, require_content
from pipeline.io.files import read_json
from pipeline.io.nets import DENSE, level_text, net_name
from pipeline.io.paths import RESULTS, dense_file, evaluate_table, net_file

EVALUATE = "evaluate"
LEVELS_FILE = "levels.csv"
CURVE_FILE = "curve.csv"
NUMBER_FILES = ("metrics.json", "dataset.json")
NUMBER_FOLDER = "metrics"
DATASET_FILE = "dataset.safetensors"
NOT_READ = (".safetensors", "nets")  # large, and the nets are looked up row by row
LOGGED_SUFFIXES = (".svg", ".png", ".html", ".csv", ".json")
LOGGED_BYTES = 5_000_000
STEP = "epoch"
NET_COLUMNS = ("method", "seed", "level")
SERIES = ("sparsity", "accuracy_before", "accuracy", "one_shot_accuracy")  # drawn over the level

Row = Mapping[str, str]


@dataclass(frozen=True)
class Place:
    """What the path of a result says: `results/<experiment>/<stage>[/<method or study>][/seed<seed>]`."""

    experiment: str
    name: str  # prune/cqp/seed0
    labels: Mapping[str, str]  # stage, and method, seed or study


@dataclass(frozen=True)
class Point:
    """One value of a metric; `step` is 0 for a metric that is no curve."""

    name: str
    value: float
    step: int = 0


@dataclass(frozen=True)
class Content:
    """What one run shows."""

    name: str
    labels: Mapping[str, str]
    params: Mapping[str, str]
    points: Sequence[Point] = ()
    artifacts: Sequence[tuple[Path, str]] = ()  # a file, and the folder to log it in
    weights: Path | None = None


@dataclass(frozen=True)
class Dataset:
    """The data that a stage read: name, DVC's MD5, path, and what dataset.json says of it."""

    name: str
    md5: str
    path: str
    profile: str


@dataclass(frozen=True)
class Result:
    """A stage's run, its children, the dataset, and whether weights were absent (then no model is logged)."""

    stage: Content
    children: Sequence[Content]
    dataset: Dataset | None
    weights_absent: bool


def place_of(entry: Entry) -> Place | None:
    """Where the stage's results lie; None for a stage with none under results/."""
    return place_of_paths(out["path"] for out in entry.get("outs", ()))


def place_of_paths(outs: Iterable[str]) -> Place | None:
    """The same from the paths that the stage writes."""
    for parts in (Path(out).parts for out in outs):
        if parts[0] == RESULTS.name and len(parts) > 3:
            experiment, *folders = parts[1:-1]
            match folders:
                case ["train", seed]:
                    labels = {"stage": "train", "seed": seed.removeprefix("seed")}
                case ["prune", method, seed]:
                    labels = {"stage": "prune", "method": method, "seed": seed.removeprefix("seed")}
                case ["studies", study]:
                    folders, labels = ["study", study], {"stage": "study", "study": study}
                case _:
                    labels = {"stage": folders[0]}
            return Place(experiment, "/".join(folders), labels)
    return None


def read_result(root: Path, place: Place, entry: Entry) -> Result:
    """Read and check the result files of one stage.

    Weights may be absent (a clone without `dvc pull`); everything else must be what dvc.lock names.

    Raises:
        ContentChanged: a file is missing or differs from dvc.lock.
    """
    outs = {Path(out["path"]): out["md5"] for out in entry.get("outs", ())}
    files = {path.name: root / path for path in outs if not path.name.endswith(NOT_READ)}
    for path, md5 in outs.items():
        if path.name in files:
            require_content(root / path, md5)
    stage, dataset = _stage(place, entry, files), _dataset(root, place, entry)
    if place.labels["stage"] != EVALUATE:
        return Result(stage, [], dataset, weights_absent=False)
    rows, has_weights = _read_rows(files.get(LEVELS_FILE)), are_weights_here(root, place)
    if has_weights:
        for dep in entry["deps"]:
            if Path(dep["path"]) in (RESULTS / place.experiment / name for name in ("train", "prune")):
                require_content(root / dep["path"], dep["md5"])
    nets = [_net(row, root / _weights(place, row) if has_weights else None) for row in rows]
    return Result(stage, [*nets, *_series(rows)], dataset, weights_absent=not has_weights)


def are_weights_here(root: Path, place: Place) -> bool:
    """Whether the workspace has the weights of every net that the result names."""
    if place.labels["stage"] != EVALUATE:
        return True
    table = root / evaluate_table(place.experiment)
    return table.is_file() and all((root / _weights(place, row)).is_file() for row in _read_rows(table))


def growing_curve(path: Path) -> list[Point]:
    """The points of a curve that a stage is still writing: its whole lines so far, none while there is no file."""
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8")
    return _curves(csv.DictReader(text[: text.rfind("\n") + 1].splitlines()), "curve", over=STEP)


def _stage(place: Place, entry: Entry, files: Mapping[str, Path]) -> Content:
    numbered = [(files[name], "") for name in NUMBER_FILES if name in files]
    if NUMBER_FOLDER in files:  # metrics/cqp.json: `cqp/` before its names
        numbered += [(file, f"{file.stem}/") for file in sorted(files[NUMBER_FOLDER].glob("*.json"))]
    params, points = _params(place, entry), _curves(_read_rows(files.get(CURVE_FILE)), "curve", over=STEP)
    for file, prefix in numbered:
        numbers, texts = _split(_flatten(read_json(file), prefix))
        params |= texts
        points += [Point(key, value) for key, value in numbers.items()]
    if place.labels["stage"] != EVALUATE:  # which has a run a method and seed for it
        points += _by_level(_read_rows(files.get(LEVELS_FILE)))
    artifacts = [item for path in files.values() for item in _artifacts(path)]
    return Content(place.name, place.labels, params, points, artifacts)


def _net(row: Row, weights: Path | None) -> Content:
    method, seed, level = row["method"], row["seed"], float(row["level"])
    numbers, texts = _split({name: value for name, value in row.items() if name not in NET_COLUMNS})
    params = {"method": method, "seed": seed, "level": level_text(level)}
    labels = {"stage": EVALUATE, "kind": "net", **params}
    points = [Point(key, value) for key, value in numbers.items()]
    return Content(net_name(method, level, int(seed)), labels, params | texts, points, weights=weights)


def _series(rows: Sequence[Row]) -> Iterator[Content]:
    """A run per method and seed with its nets as curves over the level: MLflow groups and averages runs, not points."""
    nets: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row["method"] != DENSE:
            nets[row["method"], row["seed"]].append(row)
    for (method, seed), found in nets.items():
        params = {"method": method, "seed": seed}
        drawn = [{name: row[name] for name in ("level", *SERIES) if name in row} for row in found]
        labels = {"stage": EVALUATE, "kind": "series", **params}
        yield Content(f"{method}/seed{seed}", labels, params, _by_level(drawn))


def _weights(place: Place, row: Row) -> Path:
    """Where a net of evaluate's table lies, relative to the project."""
    experiment, method, seed = place.experiment, row["method"], int(row["seed"])
    is_dense = method == DENSE
    return dense_file(experiment, seed) if is_dense else net_file(experiment, method, seed, float(row["level"]))


def _params(place: Place, entry: Entry) -> dict[str, str]:
    """The params that DVC recorded, flat, without the experiment's name in their keys; method, seed or study."""
    flat: dict[str, str] = {}
    for blocks in (entry.get("params") or {}).values():
        for key, value in _flatten(blocks).items():
            name = key.removeprefix(f"experiments.{place.experiment}.")
            flat[name.replace(f"matrix.{place.experiment}.", "matrix.")] = _text(value)
    return flat | {name: value for name, value in place.labels.items() if name != "stage"}


def _curves(rows: Iterable[Row], kind: str, over: str, scale: int = 1) -> list[Point]:
    """The numbers of rows as curves over one of their columns, times `scale`: MLflow's steps are whole."""
    points = []
    for row in rows:
        numbers, _ = _split(row)
        step = round(scale * numbers.pop(over))
        points += [Point(f"{kind}/{key}", value, step) for key, value in numbers.items()]
    return points


def _by_level(rows: Iterable[Row]) -> list[Point]:
    return _curves(rows, "by_level", over="level", scale=1000)


def _dataset(root: Path, place: Place, entry: Entry) -> Dataset | None:
    for item in [*entry.get("deps", ()), *entry.get("outs", ())]:
        if Path(item["path"]).name == DATASET_FILE:
            about = (root / item["path"]).with_suffix(".json")
            profile = read_json(about) if about.is_file() else {}
            return Dataset(profile.get("name", place.experiment), item["md5"], item["path"], json.dumps(profile))
    return None


def _artifacts(path: Path) -> Iterator[tuple[Path, str]]:
    """The small, readable files at or below `path`, each with the folder to log it in."""
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.suffix in LOGGED_SUFFIXES and file.stat().st_size <= LOGGED_BYTES:
            yield file, file.parent.relative_to(path.parent).as_posix() if path.is_dir() else ""


def _read_rows(path: Path | None) -> list[dict[str, str]]:
    if path is None:
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _split(values: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, str]]:
    """Numbers (also those written as text) and the rest; empty values are neither."""
    numbers, texts = {}, {}
    for key, value in values.items():
        if value is None or value == "":
            continue
        try:
            numbers[key] = float(_text(value))
        except ValueError:
            texts[key] = _text(value)
    return numbers, texts


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
