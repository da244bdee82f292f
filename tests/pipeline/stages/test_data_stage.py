"""The data stage from its command line: what it writes, that it repeats itself, and how it fails."""

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.data.sources import ENVIRONMENT_VARIABLE
from pipeline.io.store import load_dataset
from pipeline.stages.data import main
from snnprune.core.errors import DataError
from tests.pipeline.studies.made import contents
from tests.snnprune.data.events.recordings import as_npy, random_events, rows, write_folder

SHARED = Path(os.environ.get(ENVIRONMENT_VARIABLE) or "nowhere")

PARAMS = """
experiments:
  digits:
    data: {dataset: digits, validation: 0.2, test: 0.2, split_seed: 0}
  reseeded:
    data: {dataset: digits, validation: 0.2, test: 0.2, split_seed: 1}
  own:
    data: {dataset: "idx:mine", validation: 4, test: 6, split_seed: 0}
  recordings:
    data: {dataset: "events:mine", events: {timesteps: 4, window_ms: 20.0}, validation: 2, split_seed: 0}
  frames:
    data: {dataset: "events:ready.npz", events: {timesteps: 3}, validation: 4, test: 6, split_seed: 0}
  poker:
    data: {dataset: poker-dvs, events: {timesteps: 5, downsample: 2}, validation: 12, split_seed: 0}
  cut:
    data: {dataset: "events:cut", events: {timesteps: 10, size: [34, 34]}, validation: 8, split_seed: 0}
  absent:
    data: {dataset: mnist, validation: 0.2, split_seed: 0}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with params.yaml as working directory."""
    (tmp_path / "params.yaml").write_text(PARAMS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    return tmp_path


def made(project: Path, experiment: str) -> dict[str, bytes]:
    main([experiment])
    return contents(project / "results" / experiment / "data")


def test_digits_are_stored_and_rerun_to_the_byte(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = made(project, "digits")
    assert set(first) == {"dataset.safetensors", "dataset.json"}
    dataset = load_dataset(project / "results" / "digits" / "data")
    assert [len(split.labels) for split in (dataset.train, dataset.validation, dataset.test)] == [1079, 359, 359]
    assert (dataset.train.images.min(), dataset.train.images.max()) == (0.0, 1.0)
    line = capsys.readouterr().out
    assert "digits from scikit-learn" in line
    assert "1079 train, 359 validation, 359 test samples of 1 x 8 x 8, 10 classes" in line
    assert "pixels 0 to 16, of which 16 becomes 1.0" in line
    assert made(project, "digits") == first
    assert made(project, "reseeded")["dataset.json"] != first["dataset.json"]


def test_own_folder(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = project / "mine"
    folder.mkdir()
    (folder / "train-images-idx3-ubyte").write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, 20, 1, 2) + bytes([0, 255] * 20))
    (folder / "train-labels-idx1-ubyte").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, 20) + bytes([0, 1] * 10))
    main(["own"])
    assert load_dataset(project / "results" / "own" / "data").train.images.shape == (10, 1, 1, 2)
    assert "idx:mine from mine: 10 train, 4 validation, 6 test" in capsys.readouterr().out


def test_a_dataset_that_is_not_there_leaves_no_result(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "nowhere")
    with pytest.raises(DataError, match="nowhere: no such folder"):
        main(["absent"])
    assert not (project / "results").exists()


# Events


def summary(experiment: str) -> dict:
    return json.loads(Path(f"results/{experiment}/data/dataset.json").read_text())


def test_own_recordings_are_stored_as_counts_with_the_names_of_their_classes(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Events of the first 20 of 40 ms, in four frames."""
    events = {
        f"{part}/{name}/{n}": random_events(200, n) for part in ("train", "test") for name in "ba" for n in (1, 2, 3)
    }
    write_folder(project / "mine", {f"{name}.npy": as_npy(rows(one)) for name, one in events.items()})
    first = made(project, "recordings")
    about, dataset = summary("recordings"), load_dataset(project / "results" / "recordings" / "data")
    assert (about["name"], about["names"], about["step_ms"], about["shape"]) == (
        "events:mine",
        ["a", "b"],
        5.0,
        [4, 2, 6, 5],
    )
    assert about["about"] == "4 frames of 5 ms, counts of events; test: a split of its own"
    assert (dataset.names, dataset.step_ms, dataset.train.images.dtype) == (("a", "b"), 5.0, torch.uint8)
    assert [len(part.labels) for part in (dataset.train, dataset.validation, dataset.test)] == [4, 2, 6]
    kept = {n: int((random_events(200, n).t < 20_000).sum()) for n in (1, 2, 3)}
    assert dataset.test.images.sum(dim=(1, 2, 3, 4)).tolist() == [kept[n] for n in (1, 2, 3)] * 2
    late = 2 * (600 - sum(kept.values()))
    lines = capsys.readouterr().out
    assert f"train: {late} events after the window\ntest: {late} events after the window" in lines
    assert ", 5 ms a step" in lines
    assert made(project, "recordings") == first


def test_frames_made_elsewhere(project: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 5, (30, 3, 7)).astype(np.uint8)
    np.savez(project / "ready.npz", frames=frames, labels=np.arange(30) % 2 + 8)
    main(["frames"])
    dataset = load_dataset(project / "results" / "frames" / "data")
    assert (dataset.names, dataset.step_ms, tuple(dataset.train.images.shape)) == (("8", "9"), None, (20, 3, 1, 1, 7))
    assert summary("frames")["step_ms"] is None
    found = torch.cat([part.images for part in (dataset.train, dataset.validation, dataset.test)]).reshape(30, -1)
    assert sorted(found.tolist()) == sorted(frames.reshape(30, -1).tolist())


@pytest.mark.skipif(not (SHARED / "poker-dvs").is_dir(), reason="SNN_DATA_DIR has no poker-dvs")
def test_poker_dvs(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(SHARED))
    first = made(project, "poker")
    about = summary("poker")
    assert (about["name"], about["names"], about["shape"]) == ("pokerdvs", ["cl", "di", "he", "sp"], [5, 2, 18, 18])
    assert [about["splits"][part]["per_class"] for part in ("train", "validation", "test")] == [
        [9] * 4,
        [3] * 4,
        [5] * 4,
    ]
    assert made(project, "poker") == first


@pytest.mark.skipif(not (SHARED / "nmnist/nmnist6789-train.npz").is_file(), reason="SNN_DATA_DIR has no nmnist-6789")
def test_some_of_nmnist_6789_against_a_loop_over_its_events(project: Path) -> None:
    cut(SHARED / "nmnist/nmnist6789-train.npz", project / "cut" / "train.npz", each=6)
    last, label = cut(SHARED / "nmnist/nmnist6789-holdout.npz", project / "cut" / "test.npz", each=2)
    main(["cut"])
    dataset = load_dataset(project / "results" / "cut" / "data")
    assert (dataset.names, tuple(dataset.train.images.shape)) == (("6", "7", "8", "9"), (16, 10, 2, 34, 34))
    by_hand = np.zeros((10, 2, 34, 34), int)
    for t, x, y, p in last:
        by_hand[(t - last[0][0]) * 10 // (last[-1][0] - last[0][0] + 1), p, y, x] += 1
    assert dataset.test.images[-1].tolist() == by_hand.tolist()
    assert dataset.names[dataset.test.labels[-1]] == str(label)


def cut(source: Path, target: Path, each: int) -> tuple[list[tuple[int, int, int, int]], int]:
    """Write a packed file of the first recordings of each class; the last one's events (t, x, y, p) and its label."""
    with np.load(source) as arrays:
        whole = {name: arrays[name] for name in ("x", "y", "dt_lo", "dt_hi", "offsets", "labels")}
        whole["p"] = np.unpackbits(arrays["p"])
    chosen = np.concatenate([np.flatnonzero(whole["labels"] == label)[:each] for label in (6, 7, 8, 9)])
    spans = [np.arange(*whole["offsets"][index : index + 2]) for index in chosen]
    kept = {name: whole[name][np.concatenate(spans)] for name in ("x", "y", "dt_lo", "dt_hi", "p")}
    offsets = np.cumsum([0, *map(len, spans)])
    target.parent.mkdir(exist_ok=True)
    packed = kept | {"p": np.packbits(kept["p"]), "offsets": offsets, "labels": whole["labels"][chosen]}
    np.savez(target, **packed)
    one = {name: whole[name][spans[-1]].astype(int) for name in kept}
    t = np.cumsum(one["dt_lo"] + 256 * one["dt_hi"])
    return list(zip(t.tolist(), *(one[name].tolist() for name in "xyp"), strict=True)), int(whole["labels"][chosen[-1]])
