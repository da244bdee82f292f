"""Where the named sets of events lie: the order of folders, their digests, and downloads through tonic's URLs."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.data import event_sets as module
from pipeline.data.event_sets import PARTS, EventSet, Part, event_sets, locate
from pipeline.data.sources import ENVIRONMENT_VARIABLE
from snnprune.core.errors import DataError

CONTENT = {"made_train.zip": b"train", "made_test.zip": b"test"}
DIGESTS = {name: hashlib.md5(content).hexdigest() for name, content in CONTENT.items()}
MADE = EventSet(
    name="made",
    about="made up",
    size=(2, 2),
    folders=("made", "MADE"),
    parts={part: Part((f"{part.title()}", f"made_{part}.zip"), 1, DIGESTS) for part in PARTS},
)


def write(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or CONTENT:
        (folder / name).write_bytes(CONTENT.get(name, b""))
    return folder


def no_sleep(_: float) -> None:
    """Retries at once."""


@pytest.mark.parametrize("events", event_sets().values(), ids=lambda events: events.name)
def test_the_known_sets_have_what_is_asked_for(events: EventSet) -> None:
    files = [file for part in events.parts.values() for file in part.files]
    assert len(files) == len(set(files))
    assert len(events.size) == 2 and events.channels in (1, 2)
    for part in events.parts.values():
        assert part.count > 0
        assert set(part.pins) <= set(part.files)
        assert all(re.fullmatch("[0-9a-f]{32}|[0-9a-f]{64}", digest) for digest in part.pins.values())


def test_folders_are_tried_in_order(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(Path("data/raw/MADE"))
    assert locate(MADE)["train"] == Path("data/raw/MADE/made_train.zip")
    write(chosen := tmp_path / "chosen")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(chosen))
    assert locate(MADE)["test"] == chosen / "made_test.zip"
    write(chosen / "made")
    assert locate(MADE)["test"] == chosen / "made" / "made_test.zip"
    (chosen / "made" / "Test").mkdir()
    assert locate(MADE)["test"] == chosen / "made" / "Test"  # it was unpacked


def test_a_folder_with_one_split_is_an_error_though_a_whole_one_follows(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(Path("data/raw/made"))
    write(tmp_path / "chosen" / "made", "made_train.zip")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / "chosen"))
    expected = "chosen/made: made_train.zip is there, but not made's test split; add Test or made_test.zip"
    with pytest.raises(DataError, match=re.escape(expected)):
        locate(MADE)


def test_an_altered_file_names_both_digests(project: Path) -> None:
    write(folder := Path("data/raw/made"))
    (folder / "made_test.zip").write_bytes(b"altered")
    found, expected = hashlib.md5(b"altered").hexdigest(), DIGESTS["made_test.zip"]
    with pytest.raises(DataError, match=f"made_test.zip: its MD5 is {found}, expected {expected}; the file is damaged"):
        locate(MADE)


@pytest.mark.parametrize(
    ("tonic", "why"),
    [(None, "no URL is known"), ("NMNIST", "the library tonic, which knows its URL, is not installed")],
)
def test_nothing_anywhere_says_what_to_put_where(
    project: Path, monkeypatch: pytest.MonkeyPatch, tonic: str | None, why: str
) -> None:
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError) as caught:
        locate(replace(MADE, tonic=tonic))
    first, *places = str(caught.value).splitlines()
    assert first == (
        f"made: no folder holds it, and {why}; put Train or made_train.zip and Test or made_test.zip into "
        f"data/raw/made, or into a folder named by {ENVIRONMENT_VARIABLE}"
    )
    assert places == [
        "looked at:",
        f"  {ENVIRONMENT_VARIABLE}: not set",
        "  data/raw/made: no such folder",
        "  data/raw/MADE: no such folder",
    ]


@pytest.fixture
def online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of what tonic's URLs of the made-up set give."""
    served = write(tmp_path / "served")
    pages = {part: (f"made_{part}.zip", (served / f"made_{part}.zip").as_uri()) for part in PARTS}
    monkeypatch.setattr(module, "_tonic_file", lambda events, part: pages[part])
    return served


def test_what_nobody_has_is_downloaded_once(project: Path, online: Path) -> None:
    events = replace(MADE, tonic="Made")
    found = locate(events, no_sleep)
    assert found == {part: Path(f"data/raw/made/made_{part}.zip") for part in PARTS}
    assert sorted(path.name for path in Path("data/raw/made").iterdir()) == sorted(CONTENT)
    for name in CONTENT:
        (online / name).unlink()
    assert locate(events, no_sleep) == found


def test_an_altered_or_failed_download_is_an_error_and_the_next_one_goes_on(project: Path, online: Path) -> None:
    events = replace(MADE, tonic="Made")
    (online / "made_test.zip").write_bytes(b"altered")
    with pytest.raises(DataError, match="^made: no folder holds it, and the download failed: .*its MD5 is"):
        locate(events, no_sleep)
    assert not Path("data/raw/made").exists()
    (online / "made_test.zip").unlink()
    with pytest.raises(DataError, match="the download failed: file:.*made_test.zip: .*No such file.*; put Train"):
        locate(events, no_sleep)
    write(online)
    (online / "made_train.zip").unlink()  # it is there already
    assert locate(events, no_sleep)["test"].read_bytes() == b"test"


@pytest.mark.parametrize("name", [name for name, events in event_sets().items() if events.tonic])
def test_tonic_has_the_files_and_digests_that_are_pinned(name: str) -> None:
    tonic = pytest.importorskip("tonic.datasets")
    events = event_sets()[name]
    about = getattr(tonic, events.tonic)
    for part in PARTS:
        file, url = module._tonic_file(events, part)
        assert re.fullmatch("https://.+", url)
        assert events.parts[part].pins[file] == getattr(about, f"{part}_md5")
