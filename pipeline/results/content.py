"""Reads a stage's result files into what a tracker shows of them: one run a stage, and under `evaluate` one a net.

Everything comes from the stage's dvc.lock entry and the files that it lists as outputs (`pipeline.io.paths` says where
they lie). By name: `metrics.json` and `dataset.json` are numbers, `metrics/<name>.json` the same for one method or
study each, `curve.csv` has a row an epoch, `levels.csv` one a level, and in `evaluate` one a net. What `export` wrote
of a net belongs to that net's run.
"""

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open

from pipeline.export.paths import export_table, exported_nets
from pipeline.io.files import read_json
from pipeline.io.nets import DENSE, level_text, net_name
from pipeline.io.paths import RESULTS, dense_file, evaluate_table, net_file
from pipeline.pricing import COUNTED, energies_of
from pipeline.results.md5 import ContentChanged, require_content
from pipeline.results.place import Place
from snnprune.core.errors import UserError
from snnprune.energy.profiles import load_profiles

EVALUATE, EXPORT = "evaluate", "export"
CURVE_FILE = "curve.csv"
LEVELS_FILE = "levels.csv"
NUMBER_FILES = ("metrics.json", "dataset.json")
NUMBER_FOLDER = "metrics"
DATASET_FILE = "dataset.safetensors"
NOT_READ = (".safetensors", "nets")  # large, and the nets are looked up row by row
ENERGY, SAVED = "energy_once_pj_", "energy_saved_"  # by profile; the share of the dense net's that is saved
SERIES = ("level", "sparsity", "accuracy_before", "accuracy", "one_shot_accuracy")  # drawn over the level
NET = {"method": str, "seed": int, "level": float}  # columns of evaluate's table, and what is in them
LEVEL = {"level": float, "validation_accuracy": float}  # of a prune stage's
COUNTS = dict.fromkeys(COUNTED.values(), float)

Row = Mapping[str, str]
Entry = Mapping[str, Any]  # of dvc.lock


class Point(NamedTuple):
    """One value of a metric; `step` is 0 for a metric that is no curve."""

    name: str
    value: float
    step: int = 0


@dataclass(frozen=True)
class Content:
    """What one run shows: files and folders as artifacts, the dataset as MLflow takes it, `children` as runs below it.
    `exports`: for the runs of other nets, by their names, the folders of what was exported of them. `is_whole`: the
    weights of its nets were there to log."""

    name: str
    labels: Mapping[str, str]
    params: Mapping[str, str] = field(default_factory=dict)
    points: Sequence[Point] = ()
    artifacts: Sequence[Path] = ()
    weights: Path | None = None
    dataset: Mapping[str, str] | None = None
    children: Sequence["Content"] = ()
    exports: Mapping[str, Path] = field(default_factory=dict)
    is_whole: bool = True


class Damaged(ContentChanged, UserError):
    """A result file does not read as a stage wrote it; the message says where, and what to do."""

    def __init__(self, where: str, problem: object, experiment: str) -> None:
        """`problem`: what is wrong there."""
        ways = f"restore the file with git, or make it again: snnprune run {experiment}"
        super().__init__(f"{where}: {problem}; {ways}")


def read_result(root: Path, place: Place, entry: Entry) -> Content:
    """Read and check the result files of one stage. Weights may be absent (a clone without `dvc pull`); everything else
    must be what dvc.lock names. Raises ContentChanged: a file is missing or differs from dvc.lock. Raises Damaged, a
    ContentChanged: a table or dataset.json cannot be read."""
    files = {}
    for out in entry["outs"]:
        path = root / out["path"]
        if not path.name.endswith(NOT_READ):
            require_content(path, out["md5"])
            files[path.name] = path

    def rows_in(name: str, needed: Mapping[str, type]) -> list[dict[str, str]]:
        return read_rows(files[name], place.experiment, needed, COUNTS) if name in files else []

    is_evaluate = place.labels["stage"] == EVALUATE
    params, points = _params(place, entry), _curves("curve", rows_in(CURVE_FILE, {"epoch": float}), over="epoch")
    folder = sorted(files[NUMBER_FOLDER].glob("*.json")) if NUMBER_FOLDER in files else []
    for file in [*(files[name] for name in NUMBER_FILES if name in files), *folder]:
        # of metrics/cqp.json the names begin with `cqp/`
        numbers, texts = _split(_flatten(read_json(file), f"{file.stem}/" if file in folder else ""))
        params |= texts
        points += [Point(key, value) for key, value in numbers.items()]
    dataset, rows = _dataset(root, place, entry), rows_in(LEVELS_FILE, NET if is_evaluate else LEVEL)
    about = {"params": params, "artifacts": list(files.values()), "dataset": dataset}
    is_whole = are_weights_here(root, place)
    if place.labels["stage"] == EXPORT:
        exports = _exports(root, place, entry) if is_whole else {}
        return Content(place.name, place.labels, exports=exports, is_whole=is_whole, **about)
    if not is_evaluate:
        return Content(place.name, place.labels, points=points + _by_level(rows) + _at_levels(rows), **about)
    trees = [RESULTS / place.experiment / name for name in ("train", "prune")]
    for dep in entry["deps"]:
        if is_whole and Path(dep["path"]) in trees:
            require_content(root / dep["path"], dep["md5"])
    rows = _with_savings(_with_energies(rows))
    nets = [_net(row, root / _weights(place, row) if is_whole else None, dataset) for row in rows]
    children = nets + _series(rows, dataset)
    return Content(place.name, place.labels, points=points, children=children, is_whole=is_whole, **about)


def are_weights_here(root: Path, place: Place) -> bool:
    """Whether the workspace has the weights of every net that the result names, or what was exported of them. Raises
    Damaged."""
    if place.labels["stage"] == EXPORT:
        return (root / exported_nets(place.experiment)).is_dir()
    if place.labels["stage"] != EVALUATE:
        return True
    table = root / evaluate_table(place.experiment)
    if not table.is_file():
        return False
    return all((root / _weights(place, row)).is_file() for row in read_rows(table, place.experiment, NET))


def read_rows(
    path: Path, experiment: str, needed: Mapping[str, type], also: Mapping[str, type] = {}
) -> list[dict[str, str]]:
    """The rows of a table. Both mappings say of columns whether text, numbers or whole numbers are in them; those in
    `also` may be lacking. Raises Damaged: a needed column is lacking, or a row has a cell too many, too few or of
    another kind."""
    try:
        reader = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
        if lacking := [name for name in needed if name not in (reader.fieldnames or ())]:
            raise Damaged(f"{path}, line 1", f"no column {', '.join(lacking)}", experiment)
        rows = []
        for row in reader:
            if problem := _problem(row, {**needed, **also}):
                raise Damaged(f"{path}, line {reader.line_num}", problem, experiment)
            rows.append(row)
        return rows
    except (csv.Error, UnicodeDecodeError) as error:
        raise Damaged(str(path), error, experiment) from error


def _problem(row: Mapping[str | None, Any], kinds: Mapping[str, type]) -> str | None:
    """What is wrong with a row as `csv.DictReader` gives it; None where nothing is."""
    cells = [*row.values(), *row.get(None, ())]
    expected, found = len(row.keys() - {None}), sum(isinstance(cell, str) for cell in cells)
    if found != expected:
        return f"expected {expected} cells; found {found}"
    for name, kind in kinds.items():
        if name in row and not _fits(row[name], kind):
            return f"{name}: expected a {'whole number' if kind is int else 'number'}; found {row[name]!r:.60}"
    return None


def _fits(cell: str, kind: type) -> bool:
    try:
        return kind is str or math.isfinite(kind(cell))
    except (ValueError, OverflowError):
        return False


def growing_curve(path: Path) -> list[Point]:
    """The points of a curve that a stage is still writing: its whole lines so far."""
    text = path.read_text(encoding="utf-8")
    return _curves("curve", csv.DictReader(text[: text.rfind("\n") + 1].splitlines()), over="epoch")


def _exports(root: Path, place: Place, entry: Entry) -> dict[str, Path]:
    """The folder of each net that was exported, by the net's name. Raises ContentChanged."""
    folder = exported_nets(place.experiment)
    for out in entry["outs"]:
        if Path(out["path"]) == folder:
            require_content(root / folder, out["md5"])
    rows = read_rows(root / export_table(place.experiment), place.experiment, {"net": str})
    return {row["net"]: root / folder / row["net"] for row in rows}


def _params(place: Place, entry: Entry) -> dict[str, str]:
    """The params that DVC recorded, flat, without the experiment's name in their keys; method, seed or study."""
    flat = {key: value for block in entry.get("params", {}).values() for key, value in _flatten(block).items()}
    own, matrix = f"experiments.{place.experiment}.", f"matrix.{place.experiment}."
    params = {key.removeprefix(own).replace(matrix, "matrix."): _text(value) for key, value in flat.items()}
    return params | {name: label for name, label in place.labels.items() if name != "stage"}


def _net(row: Row, weights: Path | None, dataset: Mapping[str, str] | None) -> Content:
    about = {"method": row["method"], "seed": row["seed"], "level": level_text(float(row["level"]))}
    numbers, texts = _split({name: value for name, value in row.items() if name not in about})
    name, labels = net_name(row["method"], float(row["level"]), int(row["seed"])), {"stage": EVALUATE, "kind": "net"}
    points = [Point(key, value) for key, value in numbers.items()]
    kept = {"artifacts": [weights]} if weights and _is_own(weights) else {"weights": weights}
    return Content(name, labels | about, about | texts, points, dataset=dataset, **kept)


def _is_own(weights: Path) -> bool:
    """Whether a net runs the user's own forward, which needs the user's file: it is no model that loads anywhere. What
    cannot be read is not: who loads it says what is wrong."""
    with suppress(SafetensorError), safe_open(weights, framework="numpy") as stored:
        return "own" in (stored.metadata() or {})
    return False


def _series(rows: Sequence[Row], dataset: Mapping[str, str] | None) -> list[Content]:
    """A run per method and seed with its nets as curves over the level: MLflow groups and averages runs, not points."""
    method_and_seed = itemgetter("method", "seed")
    pruned = sorted((row for row in rows if row["method"] != DENSE), key=method_and_seed)
    runs = []
    for (method, seed), found in groupby(pruned, method_and_seed):
        about = {"method": method, "seed": seed}
        drawn = [{name: row[name] for name in row if name in SERIES or name.startswith(SAVED)} for row in found]
        labels = {"stage": EVALUATE, "kind": "series", **about}
        runs.append(Content(f"{method}/seed{seed}", labels, about, _by_level(drawn), dataset=dataset))
    return runs


def _with_energies(rows: Sequence[Row]) -> list[Row]:
    """The rows of all nets with what they cost; an earlier version's have energies of their own."""
    if not all(row.keys() >= {*COUNTED.values()} for row in rows):
        return list(rows)
    profiles = load_profiles()
    costs = (energies_of({name: float(row[name]) for name in COUNTED.values()}, profiles) for row in rows)
    return [{**row, **{name: repr(cost) for name, cost in of.items()}} for row, of in zip(rows, costs, strict=True)]


def _with_savings(rows: Sequence[Row]) -> list[dict[str, str]]:
    """The rows of all nets, with what each saves of the energy of the dense net of its seed, as a share of 1."""
    dense = {row["seed"]: row for row in rows if row["method"] == DENSE}
    return [
        {**row}
        | {
            name.replace(ENERGY, SAVED): repr(1 - float(value) / float(whole))
            for name, value in row.items()
            if name.startswith(ENERGY) and value and float(whole := dense.get(row["seed"], {}).get(name) or 0) > 0
        }
        for row in rows
    ]


def _weights(place: Place, row: Row) -> Path:
    """Where a net of evaluate's table lies, relative to the project."""
    experiment, method, seed = place.experiment, row["method"], int(row["seed"])
    return dense_file(experiment, seed) if method == DENSE else net_file(experiment, method, seed, float(row["level"]))


def _curves(kind: str, rows: Iterable[Row], over: str, scale: int = 1) -> list[Point]:
    """The numbers of rows as curves over one of their columns, times `scale`: MLflow's steps are whole."""
    return [
        Point(f"{kind}/{key}", value, round(scale * float(row[over])))
        for row in rows
        for key, value in _split(row)[0].items()
        if key != over
    ]


def _by_level(rows: Iterable[Row]) -> list[Point]:
    return _curves("by_level", rows, over="level", scale=1000)


def _at_levels(rows: Iterable[Row]) -> list[Point]:
    """What the prune stage reached at each level, a metric each: MLflow's tables of runs have no points of curves."""
    name = "validation_accuracy"
    return [Point(f"{name}_at_{level_text(float(row['level']))}", float(row[name])) for row in rows]


def _dataset(root: Path, place: Place, entry: Entry) -> dict[str, str] | None:
    """The data that the stage read or wrote: its name, DVC's MD5, path, and what dataset.json says of it."""
    for item in [*entry.get("deps", ()), *entry["outs"]]:
        path = root / item["path"]
        if path.name == DATASET_FILE:
            about = _about(path.with_suffix(".json"), place.experiment)
            found = {"name": about.get("name", place.experiment), "digest": item["md5"], "profile": json.dumps(about)}
            return {**found, "source_type": "local", "source": json.dumps({"uri": item["path"]})}
    return None


def _about(path: Path, experiment: str) -> dict[str, Any]:
    """What dataset.json says, if it is there. Raises Damaged."""
    try:
        return read_json(path) if path.is_file() else {}
    except ValueError as error:
        raise Damaged(str(path), error, experiment) from error


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _split(values: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, str]]:
    """Numbers (also those written as text) and the rest; empty values are neither."""
    numbers, texts = {}, {}
    for key, value in values.items():
        try:
            numbers[key] = float(_text(value))
        except ValueError:
            if value not in (None, ""):
                texts[key] = _text(value)
    return numbers, texts


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
