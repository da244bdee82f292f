"""The check of the whole params.yaml: the project's own passes, each mistake in it is named, all at once."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.experiments import validate_params
from pipeline.io import paths
from snnprune.core.schema import ParamsError
from snnprune.pruning import registry
from tests.imports import PROJECT

OWN = PROJECT / "params.yaml"
PARAMS = YAML(typ="safe").load(OWN)
Check = Callable[..., str]
MISSING = "missing; required are: data, model, train, prune, methods"


def change(tree: dict[str, Any], key: str, value: Any) -> None:
    """Set `experiments.digits.train.lr` and the like; None removes the key."""
    *path, last = key.split(".")
    for part in path:
        tree = tree[part]
    if value is None:
        del tree[last]
    else:
        tree[last] = value


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """The message about the project's own file with some keys changed."""

    def validated(changes: dict[str, Any]) -> str:
        tree = copy.deepcopy(PARAMS)
        for key, value in changes.items():
            change(tree, key, value)
        path = tmp_path / "params.yaml"
        YAML(typ="safe").dump(tree, path)
        with pytest.raises(ParamsError) as caught:
            validate_params(path)
        return str(caught.value)

    return validated


def test_the_projects_own_file_is_accepted() -> None:
    validate_params(OWN)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("experiments.digits.data.dataset", "mnits", "unknown dataset; allowed are .*; found 'mnits'"),
        ("experiments.digits.model.encoding.sigma", 0.1, "unknown key; allowed here: name"),
        ("experiments.digits.train.learning_rate", 0.1, "unknown key; allowed here: epochs, batch_size, lr, "),
        ("experiments.digits.prune.levels", [0.9, 0.5], "must rise strictly.*; found \\[0.9, 0.5\\]"),
        ("experiments.digits.prune.criticality.kind", "magic", "'sensitivity', 'taylor' or 'membrane'; found 'magic'"),
        ("experiments.digits.prune.finetune.augment", {"shift": -1}, "greater than or equal to 0; found -1"),
        ("experiments.digits.methods.cqp.alhpa", 0.5, "unknown key; allowed here: alpha, tau"),
        (
            "experiments.digits.methods.cpq",
            {},
            f"unknown pruning method 'cpq'; available are: {', '.join(registry.available())}",
        ),
        *((f"experiments.digits.{block}", None, MISSING) for block in ("methods", "prune")),
        ("experiments.digits.layers.levels", None, "missing; it has no default"),
        (
            "experiments.digits.trian",
            {},
            "unknown key; allowed here: data, model, train, prune, methods, compare, export, alpha, .*",
        ),
        ("runtime.device", None, "missing; required are: threads, device"),
        ("experiments.digits.export.targets", ["c", "tflite"], "unknown target 'tflite'; available are: state-dict, "),
        (
            "experiments.digits.export.nets",
            ["cqp@0.90/seed10"],
            "no net 'cqp@0.90/seed10'; there are: dense, cqp@0.80, ",
        ),
        ("experiments.digits.zombies.step", 1, "unknown key; allowed here: seeds, level, steps, every, lr"),
        ("experiments.digits.energy.steps", [2, 99], "at most 10 are allowed, model.timesteps; found \\[2, 99\\]"),
        ("matrix.digits.methods", ["cqp", "cpq"], "'cpq' is none of those in experiments.digits.methods: cqp, .*"),
    ],
)
def test_one_mistake_is_one_line_under_its_full_key(check: Check, key: str, value: Any, expected: str) -> None:
    found = check({key: value})
    assert "\n" not in found
    where, _, what = found.partition(": ")
    shown = {"experiments.digits.prune.finetune.augment": "experiments.digits.prune.finetune.augment.shift"}
    assert where == shown.get(key, key)
    assert re.search(expected, what), what


def test_all_problems_are_reported_at_once(check: Check) -> None:
    found = check(
        {
            "matrix.digits.seeds": [-1],
            "runtime.device": "gpu",
            "experiments.digits.model.beta": 2.0,
            "experiments.digits.prune.levels": [0.5, 2.0],
            "experiments.digits.methods.cqp.tau": 2.0,
            "experiments.mnist.train.lr": "fast",
        }
    )
    assert [line.split(":")[0] for line in found.splitlines()] == [
        "matrix.digits.seeds[0]",
        "runtime.device",
        "experiments.digits.model.beta",
        "experiments.digits.prune.levels[1]",
        "experiments.digits.methods.cqp.tau",
        "experiments.mnist.train.lr",
    ]


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        (
            {"matrix.digits.seeds": [0, 1], "experiments.digits.alpha.seeds": [2, 3]},
            ["alpha.seeds: none of 2, 3 is in matrix.digits.seeds: 0, 1"],
        ),
        (
            {"experiments.digits.energy.methods": ["osqp", "obs"]},
            ["energy.methods: none of osqp, obs is in matrix.digits.methods: cqp, cqp_gradual, magnitude"],
        ),
        (
            {"experiments.digits.compare": {"baseline": "gradient"}},
            [
                "compare.baseline: allowed are null and matrix.digits.methods, cqp, cqp_gradual, magnitude; "
                "found 'gradient'"
            ],
        ),
        ({"experiments.digits.compare": {}}, ["compare.baseline: missing; it has no default"]),
        (
            {
                "experiments.digits.methods.osqp": {"alpha": 0.25},
                "experiments.digits.methods.osqp_exact": {"alpha": 0.5, "tau": 0.25},
            },
            [
                "methods.osqp_exact.alpha: allowed is 0.25, as methods.osqp, whose control it is; found 0.5",
                "methods.osqp_exact.tau: allowed is 0.5, as methods.osqp, whose control it is; found 0.25",
            ],
        ),
        (
            {
                "matrix.digits.methods": ["random"],
                "experiments.digits.methods.random": {},
                "experiments.digits.quantise.methods": None,
            },
            [
                "fewer_steps.methods: no net is of cqp; there are: random",
                "paper: needs cqp in matrix.digits.methods; found ['random']",
                "paper: needs magnitude in matrix.digits.methods; found ['random']",
                "quantise.finetune.methods: no net is of cqp; there are: random",
                "staleness: needs cqp in matrix.digits.methods; found ['random']",
                "export.nets: no net 'cqp@0.90/seed0'; there are: dense, random@0.80, random@0.90, random@0.95, "
                "random@0.98, of seeds 0, 1, 2, 3, 4, 5, 6, 7, 8, 9",
            ],
        ),
        (
            {
                "experiments.digits.prune.levels": [0.5, 0.8, 0.95],
                "experiments.digits.paper.levels": [0.5, 0.7, 0.95],
                "experiments.digits.fewer_steps": None,
                "experiments.digits.export": None,
            },
            [
                "paper.levels: 0.7 is none of the levels in experiments.digits.prune: 0.5, 0.8, 0.95",
                "quantise.finetune.levels: no net is of 0.9; there are: 0.5, 0.8, 0.95",
            ],
        ),
        (
            {
                "experiments.digits.prune.levels": None,
                "experiments.digits.prune.schedule": {"name": "linear", "final": 0.75, "rounds": 3},
                "experiments.digits.paper.levels": [0.25, 0.5, 0.6],
                "experiments.digits.quantise": None,
                "experiments.digits.export": None,
            },
            [
                "fewer_steps.levels: no net is of 0.9; there are: 0.25, 0.5, 0.75",
                "paper.levels: 0.6 is none of the levels in experiments.digits.prune: 0.25, 0.5, 0.75",
                "staleness.above: no level of experiments.digits.prune is that high; found 0.9",
            ],
        ),
        (
            {"experiments.digits.prune.criticality.frozen": True},
            ["prune.criticality.frozen: must be false where there is a staleness block; found true"],
        ),
        (
            {"experiments.digits.prune.criticality.kind": "membrane"},
            [
                f"{study}: with prune.criticality.kind membrane, all synapses of a neuron have the same criticality, "
                "so its mean over presynaptic neurons says nothing; use sensitivity or taylor"
                for study in ("relaxation", "sweep")
            ],
        ),
        (
            {
                "experiments.digits.prune.criticality.kind": "membrane",
                "experiments.digits.relaxation": None,
                "experiments.digits.sweep.granularity": "synapse",
                "experiments.digits.temporal": None,  # so that something is wrong
            },
            ["energy: needs the block temporal beside it, whose table it reads"],
        ),
    ],
)
def test_a_study_must_fit_its_experiment(check: Check, changes: dict[str, Any], lines: list[str]) -> None:
    assert check(changes).splitlines() == [f"experiments.digits.{line}" for line in lines]


FRAMES = {
    "experiments.digits.data": {
        "dataset": "events:mine",
        "events": {"timesteps": 10, "size": [4, 8]},
        "validation": 0.2,
        "split_seed": 0,
    },
    "experiments.digits.model.encoding": {"name": "frames"},
}  # frames of 2 x 4 x 8 pixels for the network's 64 inputs
DIGITS = {
    "experiments.digits.data": PARAMS["experiments"]["digits"]["data"],
    "experiments.digits.model.encoding": PARAMS["experiments"]["digits"]["model"]["encoding"],
}


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        (
            {"experiments.digits.model.encoding": {"name": "direct"}},
            ["model.encoding.name: events:mine are events; allowed is frames; found 'direct'"],
        ),
        (
            {"experiments.digits.data": DIGITS["experiments.digits.data"]},
            [
                "model.encoding.name: frames are of events, and digits are images; allowed are direct, noisy_direct, "
                "rate, latency; found 'frames'"
            ],
        ),
        (
            {"experiments.digits.data.events.timesteps": 8},
            ["data.events.timesteps: allowed is 10, model.timesteps; found 8"],
        ),
        (
            {**{key: DIGITS[key] for key in FRAMES}, "experiments.digits.train.augment": {"jitter": 1}},
            ["train.augment.jitter: images have no time; allowed is 0; found 1"],
        ),
        (
            {
                "experiments.digits.data.events.size": [4, 8],
                "experiments.digits.train.augment": {"shift": 4, "jitter": 10},
                "experiments.digits.prune.finetune.augment": {"jitter": 11},
                "experiments.digits.paper.finetune.augment": {"shift": 5, "jitter": 9},
            },
            [
                "train.augment.jitter: allowed is at most 9 for 10 frames; found 10",
                "train.augment.shift: allowed is at most 3 for frames of 4 x 8; found 4",
                "prune.finetune.augment.jitter: allowed is at most 9 for 10 frames; found 11",
                "paper.finetune.augment.shift: allowed is at most 3 for frames of 4 x 8; found 5",
            ],
        ),
        (
            {"experiments.digits.data.events.polarity": False},
            [
                "model.layers: frames of events:mine are 1x4x8, so the input must be 1x4x8 or 32; "
                "found [64, 128, 64, 10]"
            ],
        ),
        (
            {
                "experiments.digits.train.augment": {"shift": 1, "rotation": 5.0},
                "experiments.digits.prune.finetune.augment": {"rotation": 2.0},
            },
            [
                "train.augment.rotation: frames are shifted, not rotated; allowed is 0; found 5.0",
                "prune.finetune.augment.rotation: frames are shifted, not rotated; allowed is 0; found 2.0",
            ],
        ),
    ],
)
def test_events_and_the_network_must_fit(check: Check, changes: dict[str, Any], lines: list[str]) -> None:
    assert check(copy.deepcopy(FRAMES) | changes).splitlines() == [f"experiments.digits.{line}" for line in lines]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("experiments.digits.paper.levels", [0.9, 0.7]),
        ("experiments.digits.prune.levels", [0.9, 0.7]),
        ("experiments.digits.temporal.epsilon", -1.0),
    ],
)
def test_what_is_wrong_by_itself_is_not_held_against_others(check: Check, key: str, value: Any) -> None:
    found = check({key: value})
    assert found.startswith(f"{key}: ") and "\n" not in found


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("colour", "red"),
        ("criticality.batch", 1),
        ("finetune.schedule", "red"),
        ("criticality", {"kind": "membrane"}),
        ("criticality", {"frozen": True}),
    ],
)
def test_what_protocol_paper_does_not_know_is_refused(check: Check, key: str, value: Any) -> None:
    assert check({f"experiments.digits.paper.{key}": value}).startswith(f"experiments.digits.paper.{key}: ")


@pytest.mark.parametrize("name", [name for name in PARAMS["matrix"] if "alpha" in PARAMS["experiments"][name]])
def test_cqp_has_the_alpha_that_was_chosen_on_validation(name: str) -> None:
    file = PROJECT / paths.report_folder(name) / "studies" / "alpha.json"
    if not file.is_file():
        pytest.skip(f"no result yet: {file.relative_to(PROJECT)}")
    chosen = json.loads(file.read_text(encoding="utf-8"))["chosen"]
    assert PARAMS["experiments"][name]["methods"]["cqp"]["alpha"] == chosen
