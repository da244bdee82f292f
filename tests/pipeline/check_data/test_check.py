"""What `check-data` says of a dataset, that what it suggests is accepted, and how it refuses."""

import struct
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from pipeline.check_data.check import check
from pipeline.data.params import DataParams
from pipeline.data.sources import ENVIRONMENT_VARIABLE
from pipeline.experiments import validate_params
from snnprune.core.errors import DataError
from snnprune.core.params import ModelParams
from snnprune.core.schema import validate
from snnprune.data.events.params import FramesParams
from tests.snnprune.data.events.recordings import as_npy, write_folder

TWO = FramesParams(timesteps=2)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder that is no project."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    return tmp_path


def write_events(folder: Path, parts: tuple[str, ...] = ("train", "test")) -> None:
    """Six recordings of each of two classes: one event every 2 ms, at 0, 2, 4, ... of 3 to 8 events, on pixel 0, and
    the last one on pixel (2, 1)."""
    for part in parts:
        files = {}
        for name in ("wave", "clap"):
            for count in range(3, 9):
                rows = [[2000 * n, 0, 0, 1] for n in range(count - 1)] + [[2000 * (count - 1), 1, 2, 0]]
                files[f"{part}/{name}/{count}.npy"] = as_npy(rows)
        write_folder(folder, files)


def write_idx(folder: Path, count: int = 20) -> None:
    folder.mkdir()
    content = struct.pack(">4B3I", 0, 0, 8, 3, count, 1, 2) + bytes([0, 255] * count)
    (folder / "train-images-idx3-ubyte").write_bytes(content)
    (folder / "train-labels-idx1-ubyte").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, count) + bytes([0, 1] * 10))


def said(data: str, frames: FramesParams = TWO) -> tuple[list[str], dict]:
    """The lines about the data, and the experiment that is suggested."""
    lines, suggested = all_said(data, frames)
    return lines, suggested["experiments"]["mine"]


def all_said(data: str, frames: FramesParams = TWO) -> tuple[list[str], dict]:
    """The lines about the data, and what is suggested for params.yaml."""
    lines = list(check(data, frames, picture=None))
    begin = lines.index("for params.yaml, below the matrix: and experiments: that are there; then: snnprune run mine")
    return lines[: begin - 1], YAML(typ="safe").load("\n".join(lines[begin + 1 :]))


def test_recordings_of_events(folder: Path) -> None:
    write_events(folder / "mine")
    lines, blocks = said("events:mine")
    # 24 values a sample, of which 3 are not zero, the last event's and pixel 0's in both frames; of three events 2, as
    # those at 0 and 2 of 4.001 ms are in the first frame. So of a class 17 of 144. A frame is 9.001 / 2 ms.
    assert lines == [
        "events:mine from mine",
        "sample       2 x 2 x 3 x 2 (time steps x channels x height x width), uint8",
        "classes      2: clap, wave",
        "train        12 samples: clap (6), wave (6)",
        "test         12 samples: clap (6), wave (6)",
        "train        values 0 to 4, 88.2 % of them zero",
        "test         values 0 to 4, 88.2 % of them zero",
        "train        a recording lasts 4.001 to 14 ms, median 9.001 ms",
        "train        a recording has 3 to 8 events, median 6",
        "train        nothing lost",
        "test         a recording lasts 4.001 to 14 ms, median 9.001 ms",
        "test         a recording has 3 to 8 events, median 6",
        "test         nothing lost",
        "time step    4.501 ms",
        "memory       0.000576 MB in every stage (a byte a value)",
    ]
    assert blocks["data"] == {
        "dataset": f"events:{folder / 'mine'}",
        "events": {"timesteps": 2, "size": [3, 2]},
        "validation": 0.2,
        "split_seed": 0,
    }
    assert blocks["model"] == {"layers": [12, 128, 2], "timesteps": 2, "encoding": {"name": "frames"}}


def test_what_is_suggested_is_a_whole_experiment(folder: Path) -> None:
    write_events(folder / "mine")
    _, suggested = all_said("events:mine")
    runtime = YAML(typ="safe").load(files("pipeline.project") / "params.yaml")["runtime"]
    with Path("params.yaml").open("w") as file:
        YAML(typ="safe").dump({**suggested, "runtime": runtime}, file)
    validate_params()
    initial = YAML(typ="safe").load(files("pipeline.project") / "params.yaml")
    assert suggested["matrix"]["mine"] == initial["matrix"]["digits"]
    mine, digits = suggested["experiments"]["mine"], initial["experiments"]["digits"]
    assert {key: mine[key] for key in ("train", "prune", "methods")} == {
        key: digits[key] for key in ("train", "prune", "methods")
    }


@pytest.mark.parametrize("name", ["two words", "a: b", "a #1", "{x}", "Zürich", 'quote"s', "it's", " ends "])
def test_any_path_is_read_again_from_what_is_suggested(folder: Path, name: str) -> None:
    write_events(folder / name)
    Path("params.yaml").touch()
    assert said(f"events:{name}")[1]["data"]["dataset"] == f"events:{name}"


def test_in_a_project_a_relative_path_stays(folder: Path) -> None:
    write_events(folder / "mine", parts=("train",))
    Path("params.yaml").touch()
    _, blocks = said("events:mine", FramesParams(timesteps=2, window_ms=6.0))
    assert blocks["data"]["dataset"] == "events:mine"
    assert blocks["data"]["events"] == {"timesteps": 2, "window_ms": 6.0, "size": [3, 2]}
    assert blocks["data"]["test"] == 0.2


def write_spoken(path: Path) -> None:
    """An HDF5 file as SHD's, of one polarity: twenty recordings of two events."""
    import h5py

    with h5py.File(path, "w") as file:
        for name, kind, values in (("times", np.float16, (0.0, 0.5)), ("units", np.uint16, (1, 699))):
            column = file.create_dataset(f"spikes/{name}", (20,), dtype=h5py.vlen_dtype(kind))
            for index in range(20):
                column[index] = np.array(values, kind)
        file["labels"] = np.arange(20) % 2


@pytest.mark.parametrize("data", ["events:mine", "events:spoken.h5", "ready.npz", "idx:images", "digits"])
def test_what_is_suggested_is_accepted_and_fits(folder: Path, data: str) -> None:
    write_events(folder / "mine")
    write_spoken(folder / "spoken.h5")
    np.savez(folder / "ready.npz", frames=np.arange(400).reshape(20, 5, 4) % 3, labels=np.arange(20) % 2)
    write_idx(folder / "images")
    lines, blocks = said(data)
    params = validate(DataParams, blocks["data"], "data")
    model = validate(ModelParams, blocks["model"], "model")
    shape = tuple(map(int, lines[1].partition("(")[0].removeprefix("sample").split("x")))
    assert model.takes(shape)
    assert params.sample_shape in (None, shape, (1, *shape))  # images are of one channel
    assert (params.events is None) == (data in ("idx:images", "digits"))


def test_frames_have_their_own_number_of_steps(folder: Path) -> None:
    np.savez(folder / "ready.npz", frames=np.arange(400).reshape(20, 5, 4) % 3, labels=np.arange(20) % 2)
    lines, blocks = said("ready.npz")
    assert lines[:2] == [
        "events:ready.npz from ready.npz",
        "sample       5 x 1 x 1 x 4 (time steps x channels x height x width), uint8",
    ]
    assert blocks["data"]["events"] == {"timesteps": 5}
    assert blocks["data"]["test"] == 0.2


def test_images(folder: Path) -> None:
    write_idx(folder / "images")
    lines, blocks = said("idx:images")
    assert lines == [
        "idx:images from images",
        "sample       1 x 2 (pixels), uint8",
        "classes      2: 0, 1",
        "train        20 samples: 0 (10), 1 (10)",
        "train        values 0 to 255, 50.0 % of them zero",
        "memory       0.00016 MB in every stage (four bytes a value)",
    ]
    assert blocks["model"] == {"layers": [2, 128, 2]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            "nothing",
            "^nothing: no dataset; allowed are idx:<folder>, events:<folder or file>, a file .npz, or a dataset's",
        ),
        ("mine", "for the folder of that name write idx:mine or events:mine$"),
        ("events:nowhere", "^nowhere: no such folder or file"),
        ("idx:nowhere", "^nowhere: no such folder"),
        ("idx:mine", r"^mine/train-images-idx3-ubyte\[.gz\]: missing"),
        ("events:mine", "^mine/train/clap/3.npy: not a readable .npy file"),
        ("nowhere.npz", "^nowhere.npz: no such folder or file"),
    ],
)
def test_what_is_wrong_is_said_with_the_files_name(folder: Path, data: str, message: str) -> None:
    write_events(folder / "mine")
    (folder / "mine/train/clap/3.npy").write_bytes(b"no array")
    with pytest.raises(DataError, match=message):
        said(data)


def test_what_cannot_be_split_is_said_after_what_there_is(folder: Path) -> None:
    write_folder(folder, {f"mine/train/{name}/1.npy": as_npy([[0, 0, 0, 1], [9, 1, 1, 0]]) for name in "ab"})
    lines = check("events:mine", TWO, picture=None)
    assert next(lines) == "events:mine from mine"
    with pytest.raises(DataError, match="test: class 0 has 1 sample left, expected at least 2 to split"):
        list(lines)
