"""Reads a stage's result files into what one run shows: params, metrics, curves, files, weights; one part per level.

Everything comes from the stage's dvc.lock entry and the files it lists as outputs, laid out as
`results/<experiment>/<stage>[/<method>][/seed<k>]/<file>`, or `results/<experiment>/studies/<stage>/<file>`. By name:
`metrics.json`, `dataset.json` and the `metrics` in a study's `summary.json` are flat numbers, `metrics/<method>.json`
are the same for one method each, `curve.csv` holds one row per step, `levels.csv` one row per sparsity level (in a
study also per method and seed, named by its columns), `model.safetensors` and `models/level-<level>.safetensors` are
weights.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flows.lockfile import Entry, require_content

RESULTS = "results"
STUDIES = "studies"
STEP_COLUMN = "epoch"
LEVEL_COLUMN = "level"
LABELS = {"method", "seed"}
NUMBER_FILES = ("metrics.json", "dataset.json")
NUMBER_FOLDER = "metrics"
SUMMARY_FILE = "summary.json"
SUMMARY_NUMBERS = "metrics"
DATASET_FILE = "dataset.safetensors"
CURVE_FILE = "curve.csv"
WEIGHTS = "model.safetensors"
WEIGHTS_SUFFIX = ".safetensors"
LEVEL_WEIGHTS = "models"
SHOWN_SUFFIXES = (".svg", ".png", ".html", ".csv", ".json")
SHOWN_BYTES = 5_000_000


@dataclass(frozen=True)
class Place:
    """What a result folder's path says: `results/<experiment>/[studies/]<stage>[/<method>][/seed<seed>]`."""

    experiment: str
    stage: str
    method: str | None
    seed: int | None

    @property
    def name(self) -> str:
        """`prune/cqp/seed0`."""
        seed = None if self.seed is None else f"seed{self.seed}"
        return "/".join(part for part in (self.stage, self.method, seed) if part is not None)

    def level_name(self, level: float) -> str:
        """`cqp@0.90/seed0`."""
        seed = "" if self.seed is None else f"/seed{self.seed}"
        return f"{self.method or self.stage}@{show_level(level)}{seed}"

    @property
    def labels(self) -> dict[str, str]:
        """Stage, method and seed as text, as far as there are any."""
        found = {"stage": self.stage, "method": self.method, "seed": self.seed}
        return {name: str(value) for name, value in found.items() if value is not None}


@dataclass(frozen=True)
class Point:
    """One value of a metric; `step` is 0 for a metric that is no curve."""

    name: str
    value: float
    step: int = 0


@dataclass(frozen=True)
class Part:
    """What one run shows."""

    name: str
    labels: dict[str, str]
    params: dict[str, str]
    points: list[Point]
    shown: list[tuple[Path, str]] = field(default_factory=list)  # file, folder to show it in
    weights: Path | None = None


@dataclass(frozen=True)
class Dataset:
    """The data that a stage was given: name, DVC's MD5, path, and what dataset.json says of it."""

    name: str
    md5: str
    path: str
    profile: str


@dataclass(frozen=True)
class Result:
    """A stage's whole result: its own part, one per level, the dataset, and whether weights were absent."""

    whole: Part
    levels: list[Part]
    dataset: Dataset | None
    weights_absent: bool


def place_of(entry: Entry) -> Place | None:
    """Where the stage's results lie; None for a stage with none under results/."""
    return place_of_paths(out["path"] for out in entry.get("outs", ()))


def place_of_paths(outs: Iterable[str]) -> Place | None:
    """The same from the paths that the stage writes."""
    for out in outs:
        parts = Path(out).parts
        if parts[0] == RESULTS and len(parts) > 3:
            experiment, *rest = parts[1:-1]
            stage, *rest = rest[1:] if rest[0] == STUDIES else rest
            seed = rest.pop() if rest and re.fullmatch(r"seed\d+", rest[-1]) else None
            return Place(experiment, stage, "/".join(rest) or None, None if seed is None else int(seed[4:]))
    return None


def read_result(root: Path, place: Place, entry: Entry) -> Result:
    """Read and check the result files of one stage.

    Weights may be absent (a clone without `dvc pull`); every other file must be the one that dvc.lock names.

    Raises:
        ContentChanged: a file is missing or differs from dvc.lock.
    """
    outs = {Path(out["path"]): out["md5"] for out in entry.get("outs", ()) if _is_used(Path(out["path"]))}
    present = [path for path in outs if (root / path).exists() or not _holds_weights(path)]
    for path in present:
        require_content(root / path, outs[path])
    files = {path.name: root / path for path in present}
    rows = _read_rows(files.get("levels.csv"))
    curve = _read_rows(files.get(CURVE_FILE))
    return Result(
        whole=_whole(place, entry, files, rows, curve),
        levels=[_level(place, row, curve, files.get(LEVEL_WEIGHTS)) for row in rows],
        dataset=_dataset(root, place, entry),
        weights_absent=not are_weights_here(root, entry),
    )


def are_weights_here(root: Path, entry: Entry) -> bool:
    """Whether the workspace has every weights file that the entry names."""
    outs = [Path(out["path"]) for out in entry.get("outs", ())]
    return all((root / path).exists() for path in outs if _holds_weights(path))


def show_level(level: float) -> str:
    """Two digits where they are exact (`0.90`), else as many as it takes (`0.995`)."""
    text = f"{level:.2f}"
    return text if float(text) == level else repr(level)


def growing_curve(path: Path) -> list[Point]:
    """The points of a curve that a stage is still writing: its whole lines so far, none when it is not there yet."""
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8")
    return _curve_points(list(csv.DictReader(text[: text.rfind("\n") + 1].splitlines())))


def _whole(place: Place, entry: Entry, files: Mapping[str, Path], levels: list[dict], curve: list[dict]) -> Part:
    params = _stage_params(place, entry)
    points = []
    for tree, prefix in _numbers(files):
        numbers, texts = _split(_flatten(tree, prefix))
        params |= texts
        points += [Point(key, value) for key, value in numbers.items()]
    points += [point for row in levels if not LABELS & row.keys() for point in _against_level(row)]
    if not levels:
        points += _curve_points(curve)
    shown = [item for path in files.values() for item in _shown(path)]
    return Part(place.name, place.labels, params, points, shown, files.get(WEIGHTS))


def _numbers(files: Mapping[str, Path]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The numbers in the files, each with what to put before their names (`cqp/` for `metrics/cqp.json`)."""
    for name in NUMBER_FILES:
        if name in files:
            yield _read_json(files[name]), ""
    if NUMBER_FOLDER in files:
        for file in sorted(files[NUMBER_FOLDER].glob("*.json")):
            yield _read_json(file), f"{file.stem}/"
    if SUMMARY_FILE in files:
        yield _read_json(files[SUMMARY_FILE]).get(SUMMARY_NUMBERS, {}), ""


def _level(place: Place, row: dict[str, str], curve: list[dict[str, str]], weights: Path | None) -> Part:
    level = float(row[LEVEL_COLUMN])
    if row.keys() >= LABELS:
        place = replace(place, method=row["method"], seed=int(row["seed"]))
    numbers, texts = _split({name: value for name, value in row.items() if name not in LABELS})
    labels = place.labels | {"level": show_level(level)}
    mine = [step for step in curve if LEVEL_COLUMN in step and float(step[LEVEL_COLUMN]) == level]
    points = [Point(key, value) for key, value in numbers.items() if key != LEVEL_COLUMN]
    params = texts | {name: value for name, value in labels.items() if name != "stage"}
    return Part(
        place.level_name(level), labels, params, points + _curve_points(mine), weights=_level_weights(weights, level)
    )


def _stage_params(place: Place, entry: Entry) -> dict[str, str]:
    """The params that DVC recorded, flat, without the experiment's name in their keys; method and seed."""
    labels = {name: value for name, value in place.labels.items() if name != "stage"}
    flat: dict[str, str] = {}
    for blocks in (entry.get("params") or {}).values():
        for key, value in _flatten(blocks).items():
            name = key.removeprefix(f"experiments.{place.experiment}.")
            flat[name.replace(f"matrix.{place.experiment}.", "matrix.")] = _text(value)
    return flat | labels


def _against_level(row: dict[str, str]) -> Iterator[Point]:
    """A row of levels.csv as points over the level in per mille, so that a chart shows accuracy against sparsity."""
    numbers, _ = _split(row)
    step = round(1000 * float(row[LEVEL_COLUMN]))
    return (Point(f"by_level/{key}", value, step) for key, value in numbers.items() if key != LEVEL_COLUMN)


def _curve_points(rows: Iterable[dict[str, str]]) -> list[Point]:
    points = []
    for row in rows:
        numbers, _ = _split(row)
        step = int(numbers.pop(STEP_COLUMN))
        points += [Point(f"curve/{key}", value, step) for key, value in numbers.items() if key != LEVEL_COLUMN]
    return points


def _dataset(root: Path, place: Place, entry: Entry) -> Dataset | None:
    for item in [*entry.get("deps", ()), *entry.get("outs", ())]:
        if Path(item["path"]).name == DATASET_FILE:
            about = (root / item["path"]).with_suffix(".json")
            profile = _read_json(about) if about.is_file() else {}
            return Dataset(profile.get("name", place.experiment), item["md5"], item["path"], json.dumps(profile))
    return None


def _holds_weights(path: Path) -> bool:
    return path.name in (WEIGHTS, LEVEL_WEIGHTS)


def _is_used(path: Path) -> bool:
    """Datasets and optimiser states are large and shown nowhere."""
    return path.suffix != WEIGHTS_SUFFIX or path.name == WEIGHTS


def _level_weights(folder: Path | None, level: float) -> Path | None:
    for path in sorted(folder.glob(f"level-*{WEIGHTS_SUFFIX}")) if folder else ():
        if float(path.stem.removeprefix("level-")) == level:
            return path
    return None


def _shown(path: Path) -> Iterator[tuple[Path, str]]:
    """The small, readable files at or below `path`, each with the folder to show it in."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in files:
        if file.suffix in SHOWN_SUFFIXES and file.stat().st_size <= SHOWN_BYTES:
            yield file, path.name if path.is_dir() else ""


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


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
        number = _number(value)
        if number is None:
            texts[key] = _text(value)
        else:
            numbers[key] = number
    return numbers, texts


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
