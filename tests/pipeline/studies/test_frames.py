"""Recordings of events through every stage and study: a tiny project whose samples are frames."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.io import paths
from pipeline.io.store import load_dataset, save_dataset
from pipeline.stages import evaluate, prune, study, train
from pipeline.study import available
from snnprune.core.errors import UserError
from tests.pipeline.studies import made

STEPS = 5
NETWORKS = {"linear": "2x4x4-16-3", "conv": "2x4x4-16C2S2-12-3"}
AUGMENT = {"shift": 1, "jitter": 1}
CHANGES: list[tuple[str, Any]] = [
    ("model", {"timesteps": STEPS, "threshold": 0.4, "encoding": {"name": "frames"}}),
    ("train.augment", {"jitter": 1}),
    ("train.epochs", 20),
    ("prune.finetune", {**made.FINETUNE, "augment": AUGMENT, "distillation": {"weight": 0.5}}),
    ("paper.levels", [0.5]),  # of two input channels not one in ten can be kept
]


def made_split(samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Events after the rates of three patterns, [N, 5, 2, 4, 4]."""
    rates = np.random.default_rng(99).random((3, STEPS, 2, 4, 4)) ** 4
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, samples)
    return rng.poisson(3 * rates[labels]).astype(np.uint8), labels


def save_recordings() -> None:
    splits = {"train": made_split(90, 0), "validation": made_split(30, 1), "test": made_split(30, 2)}
    save_dataset(
        paths.data_folder("tiny"), name="events", classes=3, scale=1, splits=splits, names=["a", "b", "c"], step_ms=30.0
    )


@pytest.fixture(scope="module", params=NETWORKS)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, dense nets, pruned nets and their evaluation, of one architecture."""
    root = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(root)
        (block, model), *others = CHANGES
        made.write_params((block, {**model, "layers": NETWORKS[request.param]}), *others)
        save_recordings()
        for seed in map(str, made.SEEDS):
            train.main(["tiny", seed])
            for method in made.PARAMS["matrix"]["tiny"]["methods"]:
                prune.main(["tiny", method, seed])
        evaluate.main(["tiny"])
    return root


@pytest.fixture
def inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(project)
    return project


def test_nets_on_recordings_are_evaluated(inside: Path) -> None:
    rows = pd.read_csv(paths.evaluate_table("tiny"))
    dense = rows[rows["method"] == "dense"]
    assert (dense["accuracy"] > 0.6).all()  # of three classes
    assert (rows["effective_macs"] == rows["effective_macs_once"]).all()  # nothing is the same at every step
    assert (dense["effective_macs"] > 0).all() and (dense["effective_acs"] > 0).all()
    images = load_dataset(paths.data_folder("tiny")).test.images
    analogue = (images > 1).flatten(2).any(2).double().mean().item()
    synapses = {"linear": 32 * 16, "conv": 4 * 8 * 16}[inside.name[:-1]]  # the kernel's are used at four places
    assert (dense["dense_macs"] == round(STEPS * synapses * analogue)).all()


@pytest.mark.parametrize("name", sorted({*available()} - {"ann"}))  # a network without time has no use for frames
def test_every_study_measures_recordings(name: str, inside: Path) -> None:
    if name == "energy":
        study.main(["tiny", "temporal"])
    study.main(["tiny", name])
    rows = pd.read_csv(paths.table_file("tiny", name))
    assert set(rows["seed"]) == set(made.SEEDS)
    accuracies = rows[[column for column in rows if "accuracy" in column]]
    assert not accuracies.isna().all().any()
    assert (((accuracies >= 0) & (accuracies <= 1)) | accuracies.isna()).all(axis=None)


def test_a_network_that_does_not_fit_the_recordings_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_recordings()
    frames = {"name": "frames"}
    for model, message in (
        (
            {"layers": "2x4x4-3"},
            "model.encoding: found direct, but the dataset has frames of events; allowed is frames",
        ),
        (
            {"layers": "2x4x4-3", "encoding": frames, "timesteps": 6},
            "model.timesteps: found 6, but .* 5 frames a sample",
        ),
        (
            {"layers": "4x4-3", "encoding": frames, "timesteps": 5},
            "model.layers: .* must be 2x4x4 or 32, the last layer",
        ),
    ):
        made.write_params(("model", model))
        with pytest.raises(UserError, match=message):
            train.main(["tiny", "0"])
