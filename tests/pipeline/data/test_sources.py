"""Where IDX files come from: the order of folders, verification, and downloads from a real local HTTP server."""

import dataclasses
import gzip
import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.data.download import BACKOFF_S, DownloadError, download
from pipeline.data.sources import (
    ENVIRONMENT_VARIABLE,
    Pins,
    PublicSet,
    locate,
    public_sets,
    read_verified,
)
from snnprune.core.errors import DataError
from snnprune.data import idx

Write = Callable[[Path], Path]
Patch = pytest.MonkeyPatch


class Mirror:
    """A web server that serves `files` with Range support and can be told to misbehave, once per queued fault.

    Faults: an int is sent as the status; "break" sends half of the rest and closes; "no range" ignores Range.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.faults: list[int | str] = []
        self.requests: list[tuple[str, str | None]] = []
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.answer(self)

            def log_message(self, *_: object) -> None:
                """Keep the test output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name, wanted = request.path.lstrip("/"), request.headers.get("Range")
        self.requests.append((name, wanted))
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, int) or name not in self.files:
            request.send_error(fault if isinstance(fault, int) else 404)
            return
        content = self.files[name]
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and fault != "no range" else 0
        if start >= len(content):
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        body = content[start:]
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: len(body) // 2] if fault == "break" else body)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def mirror(archives: dict[str, bytes]) -> Iterator[Mirror]:
    server = Mirror(dict(archives))
    yield server
    server.close()


@pytest.fixture
def online(tiny: PublicSet, mirror: Mirror) -> PublicSet:
    return dataclasses.replace(tiny, mirrors=(mirror.url,))


def no_sleep(_: float) -> None:
    """Retries at once."""


# Folders


def test_folders_are_tried_in_order(
    project: Path, tiny: PublicSet, write_folder: Write, monkeypatch: Patch, tmp_path: Path
) -> None:
    chosen = tmp_path / "chosen"
    write_folder(project / "data" / "raw" / "tiny")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "")
    assert locate(tiny) == Path("data/raw/tiny")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(chosen))
    with pytest.raises(DataError, match=f"chosen: no such folder; .*{ENVIRONMENT_VARIABLE}"):
        locate(tiny)
    write_folder(chosen)
    assert locate(tiny) == chosen
    write_folder(chosen / "tiny")
    assert locate(tiny) == chosen / "tiny"


def test_incomplete_folder_is_an_error_though_a_complete_one_follows(
    project: Path, tiny: PublicSet, write_folder: Write, monkeypatch: Patch, tmp_path: Path
) -> None:
    write_folder(project / "data" / "raw" / "tiny")
    folder = write_folder(tmp_path / "chosen" / "tiny")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / "chosen"))
    (folder / idx.TEST_LABELS).unlink()
    with pytest.raises(DataError, match=re.escape(f"chosen/tiny/{idx.TEST_LABELS}[.gz]: missing")):
        locate(tiny)


def test_nothing_anywhere_lists_every_place_and_the_first_line_says_what_to_do(project: Path, tiny: PublicSet) -> None:
    with pytest.raises(DataError) as caught:
        locate(tiny)
    first, *rest = str(caught.value).splitlines()
    assert first.startswith("tiny: no folder holds its IDX files")
    for expected in ("data/raw/tiny", ENVIRONMENT_VARIABLE, *idx.ALL_FILES):
        assert expected in first
    assert rest == [
        "looked at:",
        f"  {ENVIRONMENT_VARIABLE}: not set",
        "  data/raw/tiny: no such folder",
    ]


@pytest.mark.parametrize(("name", "folder"), [("very_tiny", "very-tiny"), ("very-tiny", "very_tiny")])
def test_dashes_and_underscores_are_the_same(
    project: Path, tiny: PublicSet, write_folder: Write, name: str, folder: str
) -> None:
    write_folder(project / "data" / "raw" / folder)
    assert locate(dataclasses.replace(tiny, name=name)) == Path("data/raw", folder)


# Verification


def test_intact_files_are_read_plain_and_gzipped(contents: dict[str, bytes], tiny: PublicSet, tmp_path: Path) -> None:
    content = contents[idx.TRAIN_IMAGES]
    for level in (None, 1, 9):  # a recompressed copy is as good as the original
        path = tmp_path / f"level-{level}"
        path.write_bytes(content if level is None else gzip.compress(content, compresslevel=level))
        for pins in (tiny.pins, Pins("content", {})):  # a stem without a pin is not verified
            assert read_verified(path, idx.TRAIN_IMAGES, pins) == content


def test_one_altered_bit_names_both_digests(contents: dict[str, bytes], tiny: PublicSet, tmp_path: Path) -> None:
    altered = contents[idx.TRAIN_IMAGES][:-1] + b"\x55"
    path = tmp_path / f"{idx.TRAIN_IMAGES}.gz"
    path.write_bytes(gzip.compress(altered))
    with pytest.raises(DataError) as caught:
        read_verified(path, idx.TRAIN_IMAGES, tiny.pins)
    assert str(caught.value).startswith(f"{path}: its decompressed content's SHA-256 is ")
    assert hashlib.sha256(altered).hexdigest() in str(caught.value)
    assert tiny.pins.sha256[idx.TRAIN_IMAGES] in str(caught.value)


def test_pins_of_gzip_files_accept_just_that_archive(contents: dict[str, bytes], tmp_path: Path) -> None:
    content = contents[idx.TRAIN_LABELS]
    published = gzip.compress(content, compresslevel=9, mtime=0)
    pins = Pins("gzip", {idx.TRAIN_LABELS: hashlib.sha256(published).hexdigest()})
    path = tmp_path / f"{idx.TRAIN_LABELS}.gz"
    path.write_bytes(published)
    assert read_verified(path, idx.TRAIN_LABELS, pins) == content
    path.write_bytes(gzip.compress(content, compresslevel=9, mtime=1))
    with pytest.raises(DataError, match=f"{path}: its SHA-256 is "):
        read_verified(path, idx.TRAIN_LABELS, pins)
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{path}: not gzipped, expected the publisher's {idx.TRAIN_LABELS}.gz"):
        read_verified(path, idx.TRAIN_LABELS, pins)


def test_unreadable_file_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{tmp_path}: cannot be read"):
        read_verified(tmp_path, idx.TRAIN_LABELS, Pins("content", {}))


@pytest.mark.parametrize("public", public_sets(), ids=lambda public: public.name)
def test_published_sets_pin_all_four_files_and_have_two_mirrors(public: PublicSet) -> None:
    assert set(public.pins.sha256) == set(idx.ALL_FILES)
    assert len({digest for digest in public.pins.sha256.values() if re.fullmatch("[0-9a-f]{64}", digest)}) == 4
    assert len(public.mirrors) == 2
    assert all(re.fullmatch("https?://.+/", mirror) for mirror in public.mirrors)


# Downloads


def test_download_fills_the_raw_folder_once(
    project: Path, online: PublicSet, mirror: Mirror, contents: dict[str, bytes]
) -> None:
    folder = locate(online, no_sleep)
    assert folder == Path("data/raw/tiny")
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{stem}.gz" for stem in idx.ALL_FILES)
    for stem in idx.ALL_FILES:
        assert read_verified(folder / f"{stem}.gz", stem, online.pins) == contents[stem]
    assert [name for name, _ in mirror.requests] == [f"{stem}.gz" for stem in idx.ALL_FILES]
    assert locate(online, no_sleep) == folder
    assert len(mirror.requests) == 4


@pytest.mark.parametrize(
    ("left", "faults", "ranges", "pauses"),
    [
        (0, ["break", "break"], [0, 50, 75], 2),
        (10, [], [10], 0),  # what an earlier call left is continued
        (0, ["break", "no range"], [0, 50], 1),  # then it is read from the start
        (1000, [], [1000, 0], 1),  # longer than the file: it is dropped
        (0, [503, 429], [0, 0, 0], 2),
    ],
)
def test_a_transfer_goes_on_where_it_ended_after_growing_pauses(
    mirror: Mirror, tmp_path: Path, left: int, faults: list[int | str], ranges: list[int], pauses: int
) -> None:
    content, path = bytes(range(100)), tmp_path / "file"
    mirror.files, mirror.faults = {"file": content}, faults
    if left:
        (tmp_path / "file.part").write_bytes(content[:10].ljust(left, b"x"))
    slept: list[float] = []
    download(f"{mirror.url}file", path, slept.append)
    assert mirror.requests == [("file", f"bytes={start}-" if start else None) for start in ranges]
    assert slept == list(BACKOFF_S[:pauses]) == sorted(slept)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("status", "tries"), [(503, len(BACKOFF_S) + 1), (404, 1)])
def test_what_fails_for_good_is_an_error_and_leaves_no_file(
    mirror: Mirror, tmp_path: Path, status: int, tries: int
) -> None:
    mirror.faults = [status] * 10
    with pytest.raises(DownloadError, match=f"{mirror.url}file: HTTP Error {status}: "):
        download(f"{mirror.url}file", tmp_path / "file", no_sleep)
    assert len(mirror.requests) == tries
    assert not list(tmp_path.iterdir())


def test_second_mirror_is_used_when_the_first_refuses(project: Path, online: PublicSet, mirror: Mirror) -> None:
    elsewhere = dataclasses.replace(online, mirrors=(f"{mirror.url}gone/", mirror.url))
    assert locate(elsewhere, no_sleep) == Path("data/raw/tiny")


def test_altered_download_is_refused_and_continued(
    project: Path, online: PublicSet, mirror: Mirror, archives: dict[str, bytes]
) -> None:
    name = f"{idx.TEST_IMAGES}.gz"
    mirror.files[name] = gzip.compress(b"something else")
    with pytest.raises(DataError) as caught:
        locate(online, no_sleep)
    message = str(caught.value)
    assert message.startswith("tiny: no folder holds its IDX files and the download failed")
    assert f"{mirror.url}{name}: " in message
    assert hashlib.sha256(b"something else").hexdigest() in message
    assert not Path("data/raw/tiny").exists()

    mirror.files[name] = archives[name]
    mirror.requests.clear()
    locate(online, no_sleep)
    assert [requested for requested, _ in mirror.requests] == [name, f"{idx.TEST_LABELS}.gz"]


def test_unreachable_mirror_is_listed(project: Path, online: PublicSet, mirror: Mirror) -> None:
    mirror.close()
    with pytest.raises(DataError, match=f"{mirror.url}{idx.TRAIN_IMAGES}.gz: .*refused"):
        locate(online, no_sleep)


def test_download_never_mixes_with_foreign_files(project: Path, online: PublicSet, mirror: Mirror) -> None:
    target = Path("data/raw/tiny")
    target.mkdir(parents=True)
    (target / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="data/raw/tiny: holds other files"):
        locate(online, no_sleep)
    assert not mirror.requests
    (target / "notes.txt").unlink()
    assert locate(online, no_sleep) == target
