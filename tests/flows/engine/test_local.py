"""One stage as a process: outcomes, failures, and output line by line."""

import io
from pathlib import Path

import pytest
from flows.process import PROGRESS_SECONDS, StageFailed, Stopped, lines_of, reproduce
from flows.stop import Stop


class Chunks(io.RawIOBase):
    """A stream that hands out one piece per read, as a pipe does."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)

    def read1(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


def test_outcomes_follow_what_dvc_does_and_its_advice_is_left_out(fresh: Path) -> None:
    lines: list[str] = []
    assert reproduce("data@tiny", fresh, lines.append, Stop()) == "ran"
    assert "data at work" in lines
    assert reproduce("data@tiny", fresh, lines.append, Stop()) == "unchanged"
    assert not [line for line in lines if "git add" in line]


def test_a_failing_stage_shows_its_last_lines_and_how_to_go_on(fresh: Path) -> None:
    (fresh / "break-data").touch()
    with pytest.raises(StageFailed) as failure:
        reproduce("data@tiny", fresh, lambda line: None, Stop())
    assert failure.value.reason == "exit code 255"
    assert not failure.value.is_transient
    text = str(failure.value)
    assert "first line before the end" in text
    assert "data is broken" in text
    assert text.endswith("to run it again: dvc repro data@tiny")


def test_a_request_to_stop_ends_it_in_the_middle(fresh: Path) -> None:
    stage = fresh / "stage.py"
    stage.write_text(
        stage.read_text().replace('at work", flush=True)', 'at work", flush=True)\nimport time; time.sleep(600)')
    )
    stop = Stop()

    def stop_when_at_work(line: str) -> None:
        if line == "data at work":
            stop.ask()

    with pytest.raises(Stopped):
        reproduce("data@tiny", fresh, stop_when_at_work, stop)
    with pytest.raises(Stopped):
        reproduce("data@tiny", fresh, lambda line: None, stop)  # nothing starts any more


def test_lines_split_over_reads_come_whole() -> None:
    stream = Chunks(b"one\ntw", b"o\n", b"\xc3", b"\xa9t\xc3\xa9\nend")
    assert list(lines_of(stream)) == ["one", "two", "\u00e9t\u00e9", "end"]


def test_a_progress_bar_is_thinned_out_but_its_end_is_kept() -> None:
    ticks = iter([0.0, 0.5, PROGRESS_SECONDS])
    stream = Chunks(b"\r 10%", b"\r 20%", b"\r 30%", b"\r100%\ndone\n")
    assert list(lines_of(stream, clock=lambda: next(ticks))) == [" 10%", " 30%", "100%", "done"]


def test_lines_come_while_the_stream_is_open() -> None:
    stream = Chunks(b"early\n", b"late\n")
    lines = lines_of(stream)
    assert next(lines) == "early"
    assert stream._pieces == [b"late\n"]
